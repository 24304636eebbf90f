"""Results as files: what a command writes and what a page lets people download."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pca_core import render
from pca_core.association import PairAnalysis, summarise
from pca_core.data import encode_png
from pca_core.storage import write_atomic
from pca_core.types import LabelSpace

ARRAYS = (
    "target_index",
    "return_index",
    "forward_prob",
    "backward_prob",
    "similarity",
    "margin",
    "is_labelled",
    "is_consistent",
    "candidate_index",
    "candidate_similarity",
    "target_return_index",
)


def write_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as the bytes of an NPZ file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def association_arrays(analysis: PairAnalysis) -> bytes:
    """NPZ with every array of :class:`pca_core.types.Association` under its name, ``soft_cycle`` and the map sizes."""
    found = analysis.association
    return write_npz(
        {
            **{name: getattr(found, name).cpu().numpy() for name in ARRAYS},
            "soft_cycle": analysis.soft_cycle_S.cpu().numpy(),
            "source_size": np.array(found.source_size),
            "target_size": np.array(found.target_size),
        }
    )


def association_statistics(analysis: PairAnalysis, space: LabelSpace, *, with_soft_cycle: bool = True) -> dict:
    """Statistics of a pair, ready for JSON; per-class lists are in the order of ``class_names``.

    Without the soft cycle, which takes two sweeps of its own, its mean is None.
    """
    pair = analysis.pair
    numbers = summarise(analysis.association, pair.source_labels, space.num_classes, pair.target_labels).to_dict()
    soft = analysis.soft_cycle_S if with_soft_cycle else None
    config = analysis.config
    return {
        **numbers,
        "mean_soft_cycle": None if soft is None or soft.isnan().all() else soft.nanmean().item(),
        "class_names": list(space.class_names),
        "source_size": list(pair.source_size),
        "target_size": list(pair.target_size),
        "config": {
            "level": config.level,
            "alpha": config.alpha,
            "mutual": config.mutual,
            "top_k": config.top_k,
            "contrast_normalisation": config.contrast_normalisation,
        },
    }


def association_pictures(analysis: PairAnalysis, source: np.ndarray, target: np.ndarray, space: LabelSpace) -> dict[str, bytes]:
    """PNG overlays by name: verdicts, predictions of both sides, hubs of the target, pairs as lines."""
    pair, found = analysis.pair, analysis.association
    pictures = {
        "source_verdicts": render.overlay_verdicts(source, found, pair.source_labels),
        "target_hubness": render.overlay_hubness(target, found),
        "pairs": render.draw_pairs(source, target, found, pair.source_labels.cpu().numpy(), space),
    }
    for side, image, probabilities in (
        ("source", source, pair.source_probabilities),
        ("target", target, pair.target_probabilities),
    ):
        if probabilities is not None:
            classes = probabilities.argmax(0).cpu().numpy().astype(np.uint8)
            pictures[f"{side}_prediction"] = render.overlay_classes(image, classes, space)
    return {name: encode_png(picture) for name, picture in pictures.items()}


def write_association(
    folder: str | Path, analysis: PairAnalysis, source: np.ndarray, target: np.ndarray, space: LabelSpace
) -> dict:
    """Write ``statistics.json``, ``association.npz`` and overlay PNGs into ``folder``; returns the statistics."""
    folder = Path(folder)
    statistics = association_statistics(analysis, space)
    for name, data in association_pictures(analysis, source, target, space).items():
        write_atomic(folder / f"{name}.png", data)
    write_atomic(folder / "association.npz", association_arrays(analysis))
    write_atomic(folder / "statistics.json", json.dumps(statistics, indent=1).encode())
    return statistics
