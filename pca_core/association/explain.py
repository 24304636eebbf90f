"""Everything about one pixel, from either side. A click costs rows, never a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from torch import Tensor

from pca_core.association.aggregation import aggregation_row
from pca_core.association.cycle import AssociationConfig, as_float
from pca_core.association.pair import PairAnalysis
from pca_core.association.similarity import Direction, flatten_pixels
from pca_core.association.traces import Candidate, Claim, PixelTrace, Stage, StageName, TargetTrace, Verdict
from pca_core.types import IGNORE_INDEX, Domain, FeaturePair, Level

PAPER_ALPHA = 0.5  # what the ladder shows aggregation with when the config has it switched off


@overload
def explain_pixel(pair: FeaturePair, index: int, side: Domain = ..., config: AssociationConfig | None = ...): ...
@overload
def explain_pixel(pair: PairAnalysis, index: int, side: Domain = ...): ...
@torch.no_grad()
def explain_pixel(pair, index, side="source", config=None, *, num_candidates=5):
    """Trace one pixel: where it goes, why, and where it comes back to.

    Args:
        pair: A :class:`FeaturePair`, or a :class:`PairAnalysis` to ask many pixels of the same pair quickly (then ``config`` is
            the analysis' own).
        index: Flat, row-major index of the feature pixel.
        side: ``"source"`` traces i → j* → i*; ``"target"`` tells who claims the pixel.
        config: See :class:`AssociationConfig`; None is the paper's.
        num_candidates: How many candidates to list each way (at least the config's top_k).

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
    height, width = analysis.pair.source_size if side == "source" else analysis.pair.target_size
    if not 0 <= index < height * width:
        raise ValueError(f"Pixel index on the {side} side must lie in [0, {height * width}), got {index}.")
    trace = _trace_source if side == "source" else _trace_target
    return trace(analysis, int(index), max(num_candidates, analysis.config.top_k))


@dataclass(frozen=True)
class _Row:
    """One row of a direction: what pixel ``index`` of one side thinks of every pixel of the other."""

    similarity_N: Tensor
    normalised_N: Tensor
    log_probability_N: Tensor

    def margin(self) -> float:
        if len(self.similarity_N) < 2:
            return float("inf")
        first, second = self.similarity_N.topk(2).values.tolist()
        return first - second


def _row(direction: Direction, index: int) -> _Row:
    score_N = direction.key_ND @ direction.query_RD[index]
    normalised_N = (score_N - direction.mean_R[index]) * direction.inverse_std_R[index]
    return _Row(score_N + direction.offset_R[index], normalised_N, normalised_N.log_softmax(0))


def _classes(analysis: PairAnalysis, side: Domain, index: int) -> tuple[int | None, int | None]:
    """Class of a pixel by the labels and by the model, None where unknown."""
    pair = analysis.pair
    labels = pair.source_labels if side == "source" else pair.target_labels
    probabilities = pair.source_probabilities if side == "source" else pair.target_probabilities
    label = None if labels is None else labels.flatten()[index].item()
    predicted = None if probabilities is None else probabilities.flatten(1)[:, index].argmax().item()
    return (None if label == IGNORE_INDEX else label), predicted


def _candidate(analysis: PairAnalysis, side: Domain, row: _Row, index: int) -> Candidate:
    """Pixel ``index`` on ``side`` as the row's owner sees it."""
    width = (analysis.pair.source_size if side == "source" else analysis.pair.target_size)[1]
    label, predicted = _classes(analysis, side, index)
    probability = row.log_probability_N[index].exp().item()
    return Candidate(
        index=index,
        row=index // width,
        column=index % width,
        similarity=row.similarity_N[index].item(),
        normalised=row.normalised_N[index].item(),
        probability=probability,
        times_uniform=probability * len(row.similarity_N),
        label=label,
        predicted=predicted,
    )


def _best(analysis: PairAnalysis, side: Domain, row: _Row, k: int, first: int | None = None) -> tuple[Candidate, ...]:
    """The k most similar pixels on ``side``; ``first`` leads when given, so that a tie reads as the association decided it."""
    indices = row.similarity_N.topk(min(k, len(row.similarity_N))).indices.tolist()
    if first is not None:
        indices = [first, *(index for index in indices if index != first)][: len(indices)]
    return tuple(_candidate(analysis, side, row, index) for index in indices)


def _verdict(analysis: PairAnalysis, index: int, return_index: int) -> Verdict:
    label_S = analysis.label_S
    if label_S[index] == IGNORE_INDEX:
        return "unlabelled"
    closes = return_index == index if analysis.config.mutual else bool(label_S[return_index] == label_S[index])
    return "consistent" if closes else "inconsistent"


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


def _trace_source(analysis: PairAnalysis, index: int, num_candidates: int) -> PixelTrace:
    pair, config, found = analysis.pair, analysis.config, analysis.association
    forward, backward = analysis.directions()
    match_index, return_index = found.target_index[index].item(), found.return_index[index].item()
    there, back = _row(forward, index), _row(backward, match_index)
    label, predicted = _classes(analysis, "source", index)
    width = pair.source_size[1]
    rivals = (found.target_index == match_index).nonzero()[:, 0].tolist()
    return PixelTrace(
        index=index,
        row=index // width,
        column=index % width,
        label=label,
        predicted=predicted,
        level=config.level,
        alpha=config.alpha,
        candidates=_best(analysis, "target", there, num_candidates, found.candidate_index[index, 0].item()),
        match=_candidate(analysis, "target", there, match_index),
        margin=found.margin[index].item(),
        returns=_best(analysis, "source", back, num_candidates, return_index),
        verdict=_verdict(analysis, index, return_index),
        soft_cycle=None if label is None else (there.log_probability_N.exp() @ analysis.class_return_TK[:, label]).item(),
        rivals=tuple(rival for rival in rivals if rival != index),
        similarity_map=_map(there.similarity_N, pair.target_size),
        probability_map=_map(there.log_probability_N.exp() * len(there.log_probability_N), pair.target_size),
        return_map=_map(back.similarity_N, pair.source_size),
        aggregation_map=_aggregation_map(analysis, match_index),
        stages=_ladder(analysis, index),
    )


def _trace_target(analysis: PairAnalysis, index: int, num_candidates: int) -> TargetTrace:
    pair, config, found = analysis.pair, analysis.config, analysis.association
    forward, backward = analysis.directions()
    back = _row(backward, index)
    label, predicted = _classes(analysis, "target", index)
    width = pair.target_size[1]
    return_index = found.target_return_index[index].item()
    claiming_M = (found.target_index == index).nonzero()[:, 0]
    by_similarity_M = claiming_M[found.similarity[claiming_M].argsort(descending=True, stable=True)]
    return TargetTrace(
        index=index,
        row=index // width,
        column=index % width,
        label=label,
        predicted=predicted,
        level=config.level,
        alpha=config.alpha,
        claims=tuple(_claim(analysis, forward, source, index, return_index) for source in by_similarity_M.tolist()),
        returns=_best(analysis, "source", back, num_candidates, return_index),
        similarity_map=_map(back.similarity_N, pair.source_size),
        aggregation_map=_aggregation_map(analysis, index),
    )


def _claim(analysis: PairAnalysis, forward: Direction, source: int, target: int, return_index: int) -> Claim:
    """How source pixel ``source`` sees the target pixel that it claims, and how its cycle ends."""
    found = analysis.association
    label, predicted = _classes(analysis, "source", source)
    score = torch.dot(forward.query_RD[source], forward.key_ND[target])
    width = analysis.pair.source_size[1]
    seen = Candidate(
        index=source,
        row=source // width,
        column=source % width,
        similarity=found.similarity[source].item(),
        normalised=((score - forward.mean_R[source]) * forward.inverse_std_R[source]).item(),
        probability=found.forward_prob[source].item(),
        times_uniform=found.forward_prob[source].item() * found.num_target,
        label=label,
        predicted=predicted,
    )
    return Claim(seen, _verdict(analysis, source, return_index))


def _ladder(analysis: PairAnalysis, index: int) -> tuple[Stage, ...]:
    """The same pixel through every variant of the similarity, from raw cosine to predictions."""
    alpha = analysis.config.alpha or PAPER_ALPHA
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
        there = _row(forward, index)
        match_index = there.similarity_N.argmax().item()
        back = _row(backward, match_index)
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
