"""What adaptation gains on images that nothing was trained or chosen on, beside its controls.

    python benchmarks/adaptation.py
    python benchmarks/adaptation.py --checkpoint NET --source DIR --target DIR --scored-target DIR

prints mIoU (mean over seeds, spread) of the net before, of AdaBN, of as many steps on the source alone (also with AdaBN after
them) and of each method asked for. Labels of the scored images are read here, after each run has ended, and nowhere else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field, replace

import torch
from tqdm import tqdm

from pca_core.adaptation import METHODS, PRESETS, AdaptationConfig, adapt, with_target_statistics
from pca_core.cli.adapt import change_knobs
from pca_core.data import FolderDataset, open_dataset
from pca_core.data.streets import BUILT_IN_NET
from pca_core.device import describe_machine, pick_device
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.models import Checkpoint, load_checkpoint

CONTROLS = ("adabn", "adabn, enlarged", "source-only")


@dataclass
class Row:
    """One line of the table: mIoU (%) on target and source for each seed, seconds of each run."""

    name: str
    steps: int
    target: list[float] = field(default_factory=list)
    source: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return statistics.mean(self.target)

    @property
    def spread(self) -> float:
        return statistics.stdev(self.target) if len(self.target) > 1 else 0.0


class Scorer:
    """Scores nets on the images that nothing was trained on."""

    def __init__(self, target: FolderDataset, source: FolderDataset | None) -> None:
        self._target, self._source = target, source

    def add(self, row: Row, checkpoint: Checkpoint, seconds: float) -> None:
        row.target.append(score(evaluate(checkpoint, self._target)).miou)
        if self._source is not None:
            row.source.append(score(evaluate(checkpoint, self._source)).miou)
        row.seconds.append(seconds)


def run(arguments: argparse.Namespace) -> list[Row]:
    """All runs, one after the other: nothing else should compute meanwhile."""
    device = pick_device(arguments.device)
    checkpoint = load_checkpoint(arguments.checkpoint, device=device)
    source = open_dataset(arguments.source, exclude=arguments.exclude_source)
    target = open_dataset(arguments.target, domain="target")
    held_out = open_dataset(arguments.held_out, include=arguments.include_held_out) if arguments.held_out else None
    scorer = Scorer(open_dataset(arguments.scored_target, domain="target"), held_out)
    preset = PRESETS[arguments.preset]
    preset = change_knobs(replace(preset, steps=arguments.steps or preset.steps), arguments.set)
    before, adabn = Row("before", 0), Row("adabn", 0)
    scorer.add(before, checkpoint, 0.0)
    started = time.perf_counter()
    scorer.add(adabn, with_target_statistics(checkpoint, target), time.perf_counter() - started)
    rows = {"before": before, "adabn": adabn, "source-only": Row("source-only", preset.steps)}
    if preset.enlarge > 1:
        rows["adabn enlarged"] = Row("adabn, enlarged", 0)
        scorer.add(rows["adabn enlarged"], *_adapt(checkpoint, source, target, replace(preset, method="adabn"), device))
    rows["source-only → adabn"] = Row("source-only → adabn", preset.steps)
    rows |= {method: Row(method, preset.steps) for method in arguments.methods}
    if arguments.ablation:
        weights = replace(preset.weights, feature_association=0, prediction_association=0)
        rows["no association"] = Row("plca, no association", preset.steps)
        adapted, seconds = _adapt(checkpoint, source, target, replace(preset, method="plca", weights=weights), device)
        scorer.add(rows["no association"], adapted, seconds)
    for seed in range(arguments.seeds):
        for method in ("source-only", *arguments.methods):
            adapted, seconds = _adapt(checkpoint, source, target, replace(preset, method=method, seed=seed), device)
            scorer.add(rows[method], adapted, seconds)
            if method == "source-only":
                scorer.add(rows["source-only → adabn"], with_target_statistics(adapted, target), seconds)
    return list(rows.values())


def _adapt(
    checkpoint: Checkpoint, source: FolderDataset, target: FolderDataset, config: AdaptationConfig, device: torch.device
) -> tuple[Checkpoint, float]:
    started = time.perf_counter()
    steps = adapt(checkpoint, source, target, config, device=device)
    for _ in tqdm(steps, total=config.steps, desc=f"{config.method} seed {config.seed}", unit="step", disable=None):
        pass
    return steps.checkpoint(), time.perf_counter() - started


def show(rows: list[Row]) -> str:
    """The table, and how far each method is above the better control."""
    before = rows[0].mean
    control = max(row.mean for row in rows if row.name in CONTROLS)
    lines = [f"{'':22}{'steps':>6}{'seconds':>9}{'target mIoU':>13}{'±':>6}{'gain':>7}{'over control':>14}{'source mIoU':>13}"]
    for row in rows:
        source = f"{statistics.mean(row.source):13.1f}" if row.source else f"{'':13}"
        gain = f"{row.mean - before:+7.1f}{row.mean - control:+14.1f}"
        seconds = statistics.mean(row.seconds)
        lines.append(f"{row.name:22}{row.steps:6}{seconds:9.0f}{row.mean:13.1f}{row.spread:6.1f}{gain}{source}")
    seeds = max(len(row.target) for row in rows)
    lines.append(f"{seeds} seeds, ± is the standard deviation; control: the better of adabn and source-only, as the issue asks.")
    lines.append(describe_machine())
    return "\n".join(lines)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(BUILT_IN_NET), metavar="FILE")
    parser.add_argument("--source", default="streets:noon", metavar="DIR")
    parser.add_argument("--exclude-source", metavar="GLOB", help="leave out source images whose name matches")
    parser.add_argument("--target", default="streets:dusk-rain", metavar="DIR")
    parser.add_argument("--scored-target", default="streets:dusk-rain-heldout", metavar="DIR")
    parser.add_argument(
        "--held-out", metavar="DIR", help="labelled source images to score on as well (with the target's statistics)"
    )
    parser.add_argument("--include-held-out", default="*", metavar="GLOB")
    parser.add_argument("--methods", nargs="+", default=["plca"], choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--ablation", action="store_true", help="also the preset without its association terms, one seed")
    parser.add_argument("--preset", default="quick", choices=list(PRESETS))
    parser.add_argument("--steps", type=int, help="instead of the preset's")
    parser.add_argument("--set", action="append", default=[], metavar="KNOB=VALUE", help="another knob of the preset; repeatable")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    rows = run(arguments)
    print(json.dumps([vars(row) for row in rows], indent=1) if arguments.json else show(rows))


if __name__ == "__main__":
    main()
