"""Runs side by side: what each did to the target and to the source, over seeds, and beside the controls."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pca_core.adaptation import CONTROLS, METHODS, config_to_dict
from pca_core.runs.digest import Digest, read_digest
from pca_core.runs.folder import Run
from pca_core.runs.status import RunStatus

SCORED_ON_LABELS = "Scored on labels that were not used for training or selection."


@dataclass(frozen=True)
class RunSummary:
    """What one run did, before → after; mIoU in per cent, None where there were no labels to score on.

    Attributes:
        run_id, name, method, seed, state: Of the run.
        steps: Taken so far.
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
    """The finished runs of one method that differ in their seed alone.

    Attributes:
        label: The method, and the knobs by which it differs where several of the same method are compared.
        method: Its name.
        seeds: Of its runs, in the order of ``target``.
        target: mIoU on the target after each finished run; empty without labels to score on.
        source: Mean mIoU on the held-out source after; None where there was none.
        gain: Mean points on the target over the net before; None without labels.
        spread: Standard deviation of the target mIoU over seeds; None with fewer than two.
        over_control: Mean points over the better control; None without one.
    """

    label: str
    method: str
    seeds: tuple[int, ...]
    target: tuple[float, ...]
    source: float | None
    gain: float | None
    spread: float | None
    over_control: float | None

    @property
    def mean(self) -> float | None:
        return statistics.mean(self.target) if self.target else None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, with the mean and the range."""
        extremes = {"lowest": min(self.target, default=None), "highest": max(self.target, default=None)}
        return {**asdict(self), "mean": self.mean, **extremes}


def summarise_run(run: Run, digest: Digest | None = None) -> RunSummary:
    """What a run reported, finished or not.

    Args:
        run: Any that can be read.
        digest: Of what it reported; None reads it.
    """
    request, status, digest = run.request, run.read_status(), digest or read_digest(run)
    first, last = digest.first or {}, digest.last or {}
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
        digest.seconds,
    )


def compare(runs: Iterable[Run]) -> tuple[list[RunSummary], list[MethodSummary]]:
    """Every run, and every method over its seeds beside the better of the controls among them.

    Only finished runs count for a method: one that has just begun would pull its mean towards the net before.
    """
    runs = list(runs)
    summaries = [summarise_run(run) for run in runs]
    variants: dict[str, list[RunSummary]] = {}
    for run, summary in zip(runs, summaries, strict=True):
        finished = variants.setdefault(_variant(run), [])
        if summary.state == "done":
            finished.append(summary)
    controls = [mean for ones in variants.values() if _is_control(ones) and (mean := _mean(_targets(ones))) is not None]
    labels = _label(list(variants))
    best = max(controls, default=None)
    return summaries, [_summarise(label, key, ones, best) for label, (key, ones) in zip(labels, variants.items(), strict=True)]


def find_differences(runs: Iterable[Run]) -> list[str]:
    """What makes a comparison unfair: sentences on all but method, knobs and seed in which the runs differ."""
    asked = [run.request for run in runs]
    looks = {
        "begin with different nets": [one.checkpoint for one in asked],
        "use different source images": [one.source for one in asked],
        "adapt to different target images": [one.target for one in asked],
        "are scored on different source images": [one.held_out for one in asked],
        "are scored on different target images": [one.scored_target for one in asked],
        # AdaBN sees every target image once, whatever the number of steps asked for
        "take different numbers of steps": [one.config.steps for one in asked if METHODS[one.config.method].is_gradient_based],
    }
    return [
        f"These runs {what}, so their figures do not tell which did better." for what, of in looks.items() if len(set(of)) > 1
    ]


def _variant(run: Run) -> str:
    """All knobs but the seed, as text."""
    return json.dumps({**config_to_dict(run.request.config), "seed": None}, sort_keys=True)


def _label(variants: Sequence[str]) -> list[str]:
    """Names of variants: the method, and where it comes more than once the knobs in which these differ."""
    knobs = [dict(_flatten(json.loads(variant))) for variant in variants]
    labels = []
    for own in knobs:
        others = [other for other in knobs if other["method"] == own["method"]]
        differing = [name for name in own if len({str(other.get(name)) for other in others}) > 1]
        named = ", ".join(f"{name}={own[name]}" for name in differing)
        labels.append(f"{own['method']} ({named})" if named else own["method"])
    return labels


def _flatten(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _summarise(label: str, variant: str, ones: Sequence[RunSummary], control: float | None) -> MethodSummary:
    method, target = json.loads(variant)["method"], _targets(ones)
    is_compared = control is not None and target and method not in CONTROLS
    return MethodSummary(
        label,
        method,
        tuple(one.seed for one in ones),
        tuple(target),
        _mean([one.source_after for one in ones if one.source_after is not None]),
        _mean([one.gain for one in ones if one.gain is not None]),
        statistics.stdev(target) if len(target) > 1 else None,
        statistics.mean(target) - control if is_compared else None,
    )


def _is_control(ones: Sequence[RunSummary]) -> bool:
    return bool(ones) and ones[0].method in CONTROLS


def _targets(ones: Sequence[RunSummary]) -> list[float]:
    return [one.target_after for one in ones if one.target_after is not None]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.mean(values) if values else None


def _miou(point: dict[str, Any], domain: str) -> float | None:
    return point.get("scores", {}).get(domain, {}).get("miou")


def seconds_left(status: RunStatus, digest: Digest) -> float | None:
    """An estimate from the pace of the last steps, evaluations included; None before there is a pace."""
    if status.state != "running" or digest.seconds_per_step is None:
        return None
    return digest.seconds_per_step * max(0, status.num_steps - status.step)


def relative_to_first(values: Sequence[float]) -> list[float]:
    """Each value over the first one, so that terms of different size share a scale."""
    first = abs(values[0]) or 1.0
    return [value / first for value in values]
