"""Everything about one pixel, from either side. A click costs rows, never a matrix."""

from __future__ import annotations

from typing import Literal, TypedDict, overload

import numpy as np
import torch
from torch import Tensor

from pca_core.association.aggregation import PAPER_ALPHA, aggregation_row
from pca_core.association.cycle import AssociationConfig, as_float
from pca_core.association.pair import PairAnalysis
from pca_core.association.rows import Row, make_row
from pca_core.association.similarity import Direction, flatten_pixels
from pca_core.association.traces import Candidate, Claim, PixelTrace, Stage, StageName, TargetTrace, Verdict
from pca_core.types import IGNORE_INDEX, Domain, FeaturePair, Level


@overload
def explain_pixel(
    pair: FeaturePair | PairAnalysis,
    index: int,
    side: Literal["source"] = ...,
    config: AssociationConfig | None = ...,
    *,
    num_candidates: int = ...,
    with_soft_cycle: bool = ...,
) -> PixelTrace: ...
@overload
def explain_pixel(
    pair: FeaturePair | PairAnalysis,
    index: int,
    side: Literal["target"],
    config: AssociationConfig | None = ...,
    *,
    num_candidates: int = ...,
    with_soft_cycle: bool = ...,
) -> TargetTrace: ...
@torch.no_grad()
def explain_pixel(pair, index, side="source", config=None, *, num_candidates=5, with_soft_cycle=True):
    """Trace one pixel: where it goes, why, and where it comes back to.

    Args:
        pair: A :class:`FeaturePair`, or a :class:`PairAnalysis` to ask many pixels of the same pair quickly (then ``config`` is
            the analysis' own).
        index: Flat, row-major index of the feature pixel.
        side: ``"source"`` traces i → j* → i*; ``"target"`` tells who claims the pixel.
        config: See :class:`AssociationConfig`; None is the paper's.
        num_candidates: How many candidates to list each way (at least the config's top_k).
        with_soft_cycle: Tell the soft cycle of a source pixel. Its first time takes a sweep of the whole pair; without it a
            trace costs rows only, and :meth:`PairAnalysis.soft_cycle` can follow.

    Returns:
        :class:`PixelTrace` for a source pixel, :class:`TargetTrace` for a target pixel.

    Raises:
        ValueError: On an index outside the map, an unknown side, or a pair that cannot be associated.
    """
    analysis = pair if isinstance(pair, PairAnalysis) else PairAnalysis(pair, config)
    if isinstance(pair, PairAnalysis) and config is not None and config != pair.config:
        raise ValueError("This PairAnalysis was made with another config. Leave config out, or pass the FeaturePair itself.")
    if side not in ("source", "target"):
        raise ValueError(f"side must be 'source' or 'target', got {side!r}.")
    height, width = analysis.pair.grid(side)
    if not 0 <= index < height * width:
        raise ValueError(f"Pixel index on the {side} side must lie in [0, {height * width}), got {index}.")
    num_candidates = max(num_candidates, analysis.config.top_k)
    if side == "source":
        return _trace_source(analysis, int(index), num_candidates, with_soft_cycle)
    return _trace_target(analysis, int(index), num_candidates)


class _Place(TypedDict):
    """The fields of a :class:`Pixel`."""

    index: int
    row: int
    column: int
    label: int | None
    predicted: int | None


def _place(analysis: PairAnalysis, side: Domain, index: int) -> _Place:
    """Where a pixel lies and its class by the labels and by the model, None where unknown."""
    pair = analysis.pair
    labels = pair.source_labels if side == "source" else pair.target_labels
    probabilities = pair.source_probabilities if side == "source" else pair.target_probabilities
    row, column = divmod(index, pair.grid(side)[1])
    label = None if labels is None else labels.flatten()[index].item()
    return {
        "index": index,
        "row": row,
        "column": column,
        "label": None if label == IGNORE_INDEX else label,
        "predicted": None if probabilities is None else probabilities.flatten(1)[:, index].argmax().item(),
    }


def _candidate(analysis: PairAnalysis, side: Domain, row: Row, index: int) -> Candidate:
    """Pixel ``index`` on ``side`` as the row's owner sees it."""
    probability = row.log_probability_N[index].exp().item()
    return Candidate(
        **_place(analysis, side, index),
        similarity=row.similarity_N[index].item(),
        normalised=row.normalised_N[index].item(),
        probability=probability,
        times_uniform=probability * len(row.similarity_N),
    )


def _best(analysis: PairAnalysis, side: Domain, row: Row, k: int, first: int | None = None) -> tuple[Candidate, ...]:
    """The k most similar pixels on ``side``; ``first`` leads when given, so that a tie reads as the association decided it."""
    indices = row.similarity_N.topk(min(k, len(row.similarity_N))).indices.tolist()
    if first is not None:
        indices = [first, *(index for index in indices if index != first)][: len(indices)]
    return tuple(_candidate(analysis, side, row, index) for index in indices)


def _verdict(analysis: PairAnalysis, index: int, return_index: int) -> Verdict:
    label_S = analysis.label_S
    if label_S[index] == IGNORE_INDEX:
        return "unlabelled"
    if label_S[return_index] != label_S[index]:
        return "inconsistent"
    return "not_mutual" if analysis.config.mutual and return_index != index else "consistent"


def _map(values_N: Tensor, size: tuple[int, int]) -> np.ndarray:
    return values_N.reshape(size).float().cpu().numpy()


def _aggregation_map(analysis: PairAnalysis, index: int) -> np.ndarray:
    config, pair = analysis.config, analysis.pair
    if config.alpha == 0:
        weights_T = torch.zeros(pair.target_size[0] * pair.target_size[1])
        weights_T[index] = 1.0
    else:
        target = pair.target_features if config.level == "feature" else pair.target_probabilities
        weights_T = aggregation_row(
            flatten_pixels(as_float(target)), index, config.level, contrast_normalisation=config.contrast_normalisation
        )
    return _map(weights_T, pair.target_size)


class _Shared(_Place):
    """The fields of a :class:`Trace`."""

    side: Domain
    level: Level
    alpha: float
    returns: tuple[Candidate, ...]
    aggregation_map: np.ndarray


def _shared(analysis: PairAnalysis, side: Domain, index: int, target_index: int, back: Row, num_candidates: int) -> _Shared:
    """What both stories tell: of the pixel, of the target pixel in it and of the way back from there."""
    return_index = analysis.association.target_return_index[target_index].item()
    return {
        **_place(analysis, side, index),
        "side": side,
        "level": analysis.config.level,
        "alpha": analysis.config.alpha,
        "returns": _best(analysis, "source", back, num_candidates, return_index),
        "aggregation_map": _aggregation_map(analysis, target_index),
    }


def _trace_source(analysis: PairAnalysis, index: int, num_candidates: int, with_soft_cycle: bool) -> PixelTrace:
    pair, found = analysis.pair, analysis.association
    forward, backward = analysis.directions()
    match_index = found.target_index[index].item()
    there, back = make_row(forward, index), make_row(backward, match_index)
    rivals = (found.target_index == match_index).nonzero()[:, 0].tolist()
    return PixelTrace(
        **_shared(analysis, "source", index, match_index, back, num_candidates),
        candidates=_best(analysis, "target", there, num_candidates, found.candidate_index[index, 0].item()),
        match=_candidate(analysis, "target", there, match_index),
        margin=found.margin[index].item(),
        verdict=_verdict(analysis, index, found.return_index[index].item()),
        soft_cycle=analysis.soft_cycle(index) if with_soft_cycle else None,
        rivals=tuple(rival for rival in rivals if rival != index),
        similarity_map=_map(there.similarity_N, pair.target_size),
        probability_map=_map(there.log_probability_N.exp() * len(there.log_probability_N), pair.target_size),
        return_map=_map(back.similarity_N, pair.source_size),
        stages=_ladder(analysis, index),
    )


def _trace_target(analysis: PairAnalysis, index: int, num_candidates: int) -> TargetTrace:
    found = analysis.association
    forward, backward = analysis.directions()
    back = make_row(backward, index)
    return_index = found.target_return_index[index].item()
    claiming_M = (found.target_index == index).nonzero()[:, 0]
    by_similarity_M = claiming_M[found.similarity[claiming_M].argsort(descending=True, stable=True)]
    return TargetTrace(
        **_shared(analysis, "target", index, index, back, num_candidates),
        claims=tuple(_claim(analysis, forward, source, index, return_index) for source in by_similarity_M.tolist()),
        similarity_map=_map(back.similarity_N, analysis.pair.source_size),
    )


def _claim(analysis: PairAnalysis, forward: Direction, source: int, target: int, return_index: int) -> Claim:
    """How source pixel ``source`` sees the target pixel that it claims, and how its cycle ends."""
    found = analysis.association
    score = torch.dot(forward.query_RD[source], forward.key_ND[target])
    seen = Candidate(
        **_place(analysis, "source", source),
        similarity=found.similarity[source].item(),
        normalised=((score - forward.mean_R[source]) * forward.inverse_std_R[source]).item(),
        probability=found.forward_prob[source].item(),
        times_uniform=found.forward_prob[source].item() * found.num_target,
    )
    return Claim(seen, _verdict(analysis, source, return_index))


def _ladder(analysis: PairAnalysis, index: int) -> tuple[Stage, ...]:
    """The same pixel through every variant of the similarity, from raw cosine to predictions."""
    alpha = analysis.config.alpha or PAPER_ALPHA  # the ladder shows aggregation also where the config has it off
    rungs: list[tuple[StageName, Level, float, bool]] = [
        ("cosine", "feature", 0.0, False),
        ("normalised", "feature", 0.0, True),
        ("aggregated", "feature", alpha, True),
    ]
    if analysis.has_predictions:
        rungs.append(("prediction", "prediction", alpha, True))
    stages: list[Stage] = []
    for name, level, rung_alpha, is_normalised in rungs:
        forward, backward = analysis.directions(level, rung_alpha, is_normalised)
        there = make_row(forward, index)
        match_index = there.similarity_N.argmax().item()
        back = make_row(backward, match_index)
        return_index = back.similarity_N.argmax().item()
        stages.append(
            Stage(
                name=name,
                alpha=rung_alpha,
                match=_candidate(analysis, "target", there, match_index),
                margin=there.margin(),
                way_back=_candidate(analysis, "source", back, return_index),
                verdict=_verdict(analysis, index, return_index),
                is_flip=bool(stages) and stages[-1].match.index != match_index,
            )
        )
    return tuple(stages)
