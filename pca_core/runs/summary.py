"""Runs side by side: what each did to the target and to the source, over seeds, and beside the controls."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pca_core.adaptation import CONTROLS
from pca_core.runs.folder import Run

SCORED_ON_LABELS = "Scored on labels that were not used for training or selection."


@dataclass(frozen=True)
class RunSummary:
    """What one run did, before → after; mIoU in per cent, None where there were no labels to score on.

    Attributes:
        run_id, name, method, seed, steps, state: Of the run.
        target_before, target_after: mIoU on the scored target images.
        source_before, source_after: mIoU on the held-out source images, with the statistics that the net keeps for the source.
        health_before, health_after: Label-free, as :class:`~pca_core.adaptation.Health` in plain values.
        seconds: Of all steps.
    """

    run_id: str
    name: str
    method: str
    seed: int
    steps: int
    state: str
    target_before: float | None
    target_after: float | None
    source_before: float | None
    source_after: float | None
    health_before: dict[str, Any] | None
    health_after: dict[str, Any] | None
    seconds: float

    @property
    def gain(self) -> float | None:
        """Points of target mIoU."""
        return None if self.target_after is None or self.target_before is None else self.target_after - self.target_before

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "gain": self.gain}


@dataclass(frozen=True)
class MethodSummary:
    """The runs of one method that differ in their seed alone.

    Attributes:
        method: Its name.
        seeds: Of its runs.
        target: mIoU on the target after each run; empty without labels to score on.
        gain: Mean points over the net before; None without labels.
        spread: Standard deviation of the target mIoU over seeds; None with fewer than two.
        over_control: Mean points over the better control; None without one.
    """

    method: str
    seeds: tuple[int, ...]
    target: tuple[float, ...]
    gain: float | None
    spread: float | None
    over_control: float | None

    @property
    def mean(self) -> float | None:
        return statistics.mean(self.target) if self.target else None


def summarise_run(run: Run) -> RunSummary:
    """Read what a run reported, finished or not."""
    request, status, records = run.request, run.read_status(), run.read_metrics()
    looks = [record for record in records if record.get("health")]
    first, last = (looks[0], looks[-1]) if looks else ({}, {})
    return RunSummary(
        run.id,
        request.name,
        request.config.method,
        request.config.seed,
        status.step,
        status.state,
        _miou(first, "target"),
        _miou(last, "target"),
        _miou(first, "source"),
        _miou(last, "source"),
        first.get("health"),
        last.get("health"),
        sum(record.get("seconds") or 0.0 for record in records),
    )


def compare(runs: Iterable[Run]) -> tuple[list[RunSummary], list[MethodSummary]]:
    """Every run, and every method over its seeds beside the better of the controls among them."""
    summaries = [summarise_run(run) for run in runs]
    methods = list(dict.fromkeys(summary.method for summary in summaries))
    of_method = {method: [one for one in summaries if one.method == method] for method in methods}
    targets = {method: _targets(ones) for method, ones in of_method.items()}
    controls = [statistics.mean(targets[method]) for method in CONTROLS if targets.get(method)]
    best = max(controls) if controls else None
    return summaries, [_summarise(method, of_method[method], targets[method], best) for method in methods]


def _summarise(method: str, ones: Sequence[RunSummary], target: Sequence[float], control: float | None) -> MethodSummary:
    gains = [one.gain for one in ones if one.gain is not None]
    is_compared = control is not None and target and method not in CONTROLS
    return MethodSummary(
        method,
        tuple(one.seed for one in ones),
        tuple(target),
        statistics.mean(gains) if gains else None,
        statistics.stdev(target) if len(target) > 1 else None,
        statistics.mean(target) - control if is_compared else None,
    )


def _targets(ones: Sequence[RunSummary]) -> list[float]:
    return [one.target_after for one in ones if one.target_after is not None]


def _miou(record: dict[str, Any], domain: str) -> float | None:
    return ((record.get("scores") or {}).get(domain) or {}).get("miou")


def seconds_left(run: Run) -> float | None:
    """An estimate from the pace of the last steps, evaluations included; None before there is a pace."""
    status = run.read_status()
    times = [record["time"] for record in run.read_metrics()[-20:] if "time" in record]
    if status.state != "running" or len(times) < 2:
        return None
    return max(0.0, (times[-1] - times[0]) / (len(times) - 1)) * (status.num_steps - status.step)


def thin(records: Sequence[dict[str, Any]], most: int = 300) -> list[dict[str, Any]]:
    """Evenly chosen records for a curve; those with an evaluation always, the last one too."""
    every = max(1, len(records) // most)
    last = len(records) - 1
    return [record for place, record in enumerate(records) if place % every == 0 or place == last or record.get("health")]


def relative_to_first(values: Sequence[float]) -> list[float]:
    """Each value over the first one, so that terms of different size share a scale."""
    first = abs(values[0]) or 1.0
    return [value / first for value in values]
