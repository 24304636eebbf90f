"""A trace in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from pca_core.association.traces import PixelTrace, TargetTrace


def describe_trace(trace: PixelTrace | TargetTrace, class_names: Sequence[str]) -> str:
    """Say a trace in one or two plain sentences, without markup."""
    return _describe_target(trace, class_names) if isinstance(trace, TargetTrace) else _describe_source(trace, class_names)


def _name(label: int | None, class_names: Sequence[str]) -> str:
    return "unlabelled" if label is None else class_names[label]


def _describe_source(trace: PixelTrace, class_names: Sequence[str]) -> str:
    way_back, own = trace.way_back, _name(trace.label, class_names)
    path = (
        f"Source pixel ({trace.row}, {trace.column}) goes to target pixel ({trace.match.row}, {trace.match.column}), "
        f"{trace.match.times_uniform:.1f}× uniform, and comes back to ({way_back.row}, {way_back.column})"
    )
    if trace.verdict == "unlabelled":
        return f"{path}. It has no label, so its cycle cannot be judged and the loss ignores it."
    if trace.verdict == "consistent":
        where = "to the very same pixel" if way_back.index == trace.index else f"on its own class, {own}"
        return f"{path}: {where}. The pair is cycle-consistent and is strengthened{_truth(trace, class_names)}."
    if trace.verdict == "not_mutual":
        return f"{path}: on its own class, {own}, but not on itself. Mutual association ignores the pair."
    return (
        f"{path}: it left as {own} and returned as {_name(way_back.label, class_names)}. The cycle breaks; the loss ignores it."
    )


def _truth(trace: PixelTrace, class_names: Sequence[str]) -> str:
    """What target labels, when there are any, say of a consistent pair: closing the cycle does not make it true."""
    if trace.match.label is None:
        return ""
    if trace.match.label == trace.label:
        return f", rightly: the match is {class_names[trace.label]} by its label"
    return f", wrongly: the match is {class_names[trace.match.label]} by its label"


def _describe_target(trace: TargetTrace, class_names: Sequence[str]) -> str:
    place = f"Target pixel ({trace.row}, {trace.column})"
    way_back = trace.returns[0]
    home = f"{_name(way_back.label, class_names)} at ({way_back.row}, {way_back.column})"
    if not trace.claims:
        return f"No source pixel claims {place[0].lower()}{place[1:]}: it gets no direct pull. It would lead back to {home}."
    noun = "source pixel claims" if len(trace.claims) == 1 else "source pixels claim"
    return (
        f"{len(trace.claims):,} {noun} {place[0].lower()}{place[1:]}; {trace.num_consistent:,} of these cycles close. "
        f"It leads back to {home}."
    )
