"""What the Segmentation page keeps: both images of the pair, by plain and by aggregated inference."""

from __future__ import annotations

from dataclasses import dataclass

from app.state import cache
from app.state.cache import Pair
from app.state.caching import cached
from pca_core.analysis.inference_change import InferenceChange, compare_inference
from pca_core.analysis.segmentation import SegmentedImage, describe_segmentation
from pca_core.association import PairAnalysis
from pca_core.inference import aggregate_prediction
from pca_core.types import Domain, Sample

OTHER = {"plain": "aggregated", "aggregated": "plain"}


@dataclass(frozen=True, eq=False)
class SideFindings:
    """One image: ``by_inference`` holds plain and aggregated, ``change`` what aggregation makes of plain."""

    by_inference: dict[str, SegmentedImage]
    change: InferenceChange


def get_findings(pair: Pair, alpha: float) -> dict[Domain, SideFindings]:
    """Both sides, aggregated with ``alpha``."""
    return {side: get_side(pair, side, alpha) for side in ("source", "target")}


def get_side(pair: Pair, side: Domain, alpha: float) -> SideFindings:
    """One side, aggregated with ``alpha``."""
    sample = pair.source if side == "source" else pair.target
    return _find(pair.key, side, alpha, pair.analysis, sample, pair.checkpoint_path)


@cached(16, "Segmenting the pair both ways …")
def _find(key: str, side: Domain, alpha: float, _analysis: PairAnalysis, _sample: Sample, _path: str) -> SideFindings:
    pair = _analysis.pair
    features, plain = (
        (pair.source_features, pair.source_probabilities)
        if side == "source"
        else (pair.target_features, pair.target_probabilities)
    )
    probabilities = {"plain": plain, "aggregated": aggregate_prediction(cache.get_checkpoint(_path), features, alpha)}
    found = {name: describe_segmentation(one, _sample.image.shape[:2], _sample.label) for name, one in probabilities.items()}
    return SideFindings(found, compare_inference(found["plain"], found["aggregated"], _sample.label))
