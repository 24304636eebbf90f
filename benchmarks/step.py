"""One step of adaptation beside a step on the source alone, and where its time goes.

    python benchmarks/step.py                                 # the built-in net, 4 pairs of 240 × 176
    python benchmarks/step.py --precision bfloat16            # the net mixed, as the preset has it where the device is fast at it
    python benchmarks/step.py --architecture smp:deeplabv3plus/resnet50 --rounds 3
    python benchmarks/step.py --size 176 240 --batch 4 --rounds 25

Steps take turns, round by round; printed are medians, and the median of the ratios within a round, of seconds and of processor
time (all cores), which other work on the machine disturbs less. ``plca`` is the app's quick preset (maps of more than 2,048
pixels are averaged over squares first), the net in float32 unless asked otherwise; ``plca, every pixel`` the paper's terms. Parts
are timed one by one: forward, each term forward and backward as far as the net's outputs, backward through the net, optimiser.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from torch import Tensor

from pca_core.adaptation import PRESETS, AdaptationConfig
from pca_core.adaptation.config import AssociationTerms
from pca_core.adaptation.learner import Learner
from pca_core.adaptation.methods import METHODS
from pca_core.adaptation.methods.base import mean_supervised
from pca_core.adaptation.methods.plca import associate_pairs
from pca_core.adaptation.views import ViewMaker, Views
from pca_core.association import warm_up
from pca_core.data import open_dataset
from pca_core.data.streets import BUILT_IN_NET
from pca_core.device import describe_machine, pick_device
from pca_core.losses import smoothing_loss, total_loss
from pca_core.models import Checkpoint, build_model, load_checkpoint
from pca_core.types import SegmentationOutput

MOST = 2.3  # times a source-only step, asked for


def make_configs(size: tuple[int, int], batch: int, precision: str) -> dict[str, AdaptationConfig]:
    """The steps that are compared, the control first."""
    quick = replace(PRESETS["quick"], batch_size=batch, crop=size, precision=precision)
    return {
        "source-only": replace(quick, method="source-only"),
        "plca": quick,
        "plca, every pixel": replace(quick, association=AssociationTerms()),
        "plca, no association": replace(
            quick, weights=replace(quick.weights, feature_association=0.0, prediction_association=0.0)
        ),
    }


def make_step(checkpoint: Checkpoint, config: AdaptationConfig, views: Views, device: torch.device) -> Callable[[], object]:
    """One optimiser step on the same views, the weights moving on."""
    learner, method = Learner(checkpoint, config, METHODS[config.method], device), METHODS[config.method]
    return lambda: learner.descend(method.compute_terms, views, 1e-5)


def clock(job: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of one run, and of the processor in it."""
    started, used = time.perf_counter(), time.process_time()
    job()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started, time.process_time() - used


def time_parts(learner: Learner, views: Views, device: torch.device) -> dict[str, float]:
    """Seconds (of the processor, on the CPU) of each part of one plca step; their sum is the step but for what is between."""
    seconds: dict[str, float] = {}

    def measure(name: str, job: Callable[[], object]) -> object:
        result = []
        seconds[name] = clock(lambda: result.append(job()), device)[0 if device.type == "cuda" else 1]
        return result[0]

    learner.train_mode()
    learner.optimizer.zero_grad(set_to_none=True)
    images = {"source": views.source_images, "target": views.target_images}
    outputs = measure("net, forward", lambda: learner.forward(images))
    leaves = {side: _cut(output) for side, output in outputs.items()}
    source, target, weights = leaves["source"], leaves["target"], learner.config.weights
    terms: dict[str, Callable[[], dict[str, Tensor]]] = {
        "cross-entropy and Lovász": lambda: mean_supervised(learner, source.logits, views.source_labels),
        "smoothing": lambda: {f"{side}_smoothing": smoothing_loss(leaf.logits) for side, leaf in leaves.items()},
    }
    for level in ("feature", "prediction"):
        terms[f"association of {level}s"] = lambda level=level: {
            f"{level}_association": associate_pairs(learner, source, target, views.source_labels, level)[0]
        }
    for name, term in terms.items():
        measure(name, lambda term=term: total_loss(term(), weights).backward())
    ends = [(getattr(outputs[side], name), getattr(leaf, name).grad) for side, leaf in leaves.items() for name in ENDS]
    ends = [(output, gradient) for output, gradient in ends if gradient is not None]
    measure("net, backward", lambda: torch.autograd.backward(*map(list, zip(*ends, strict=True))))
    measure("optimiser", lambda: (learner._clip(), learner.optimizer.step()))
    return seconds


ENDS = ("features", "logits")


def _cut(output: SegmentationOutput) -> SegmentationOutput:
    """The same values, as the ends of a graph of their own."""
    return replace(output, **{name: getattr(output, name).detach().requires_grad_() for name in ENDS})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(BUILT_IN_NET), metavar="FILE")
    parser.add_argument(
        "--architecture", metavar="NAME", help="this net with random weights instead; cyclelens models lists them"
    )
    parser.add_argument("--size", type=int, nargs=2, default=[176, 240], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the net, in every step")
    arguments = parser.parse_args()
    device = pick_device(arguments.device)
    checkpoint = load_checkpoint(arguments.checkpoint, device=device)
    if arguments.architecture:
        model = build_model(arguments.architecture, num_classes=checkpoint.label_space.num_classes).to(device)
        checkpoint = replace(checkpoint, architecture=arguments.architecture, model=model)
    configs = make_configs(tuple(arguments.size), arguments.batch, arguments.precision)
    data = open_dataset("streets:noon"), open_dataset("streets:dusk-rain", domain="target")
    maker = ViewMaker(checkpoint, *data, configs["plca"], range(arguments.batch))
    warm_up()
    maker.make(0)  # images are read once, later steps find them
    making = statistics.median(clock(lambda step=step: maker.make(step), device)[1] for step in range(1, 6))
    views = maker.make(1).to(device)
    print(f"{describe_machine()}, {device}, net in {arguments.precision}")
    compare(checkpoint, configs, views, arguments.rounds, device)
    show_parts(checkpoint, configs, views, arguments.rounds, device)
    print(f"\nmaking the views of a step, in a thread beside it: {making * 1e3:.0f} ms of a core")


def compare(
    checkpoint: Checkpoint, configs: dict[str, AdaptationConfig], views: Views, rounds: int, device: torch.device
) -> None:
    """Steps in turn; the first is what the others are compared with."""
    steps = {name: make_step(checkpoint, config, views, device) for name, config in configs.items()}
    seen = defaultdict(list)
    for number in range(rounds + 1):
        for name, step in steps.items():
            taken = clock(step, device)
            if number:  # the first takes its buffers
                seen[name].append(taken)
    control = next(iter(seen.values()))
    height, width = views.source_images.shape[-2:]
    print(f"\nOne step, {len(views)} pairs of {width} × {height}, {rounds} rounds")
    print(f"  {'':24} {'ms':>9} {'ratio':>8} {'processor ms':>14} {'ratio':>8}")
    for name, runs in seen.items():
        cells = ""
        for kind, width in ((0, 9), (1, 14)):
            ratio = statistics.median(run[kind] / other[kind] for run, other in zip(runs, control, strict=True))
            cells += f" {statistics.median(run[kind] for run in runs) * 1e3:{width}.1f} {ratio:7.2f}×"
        print(f"  {name:24}{cells}{f'  (asked: at most {MOST})' if name == 'plca' else ''}")


def show_parts(
    checkpoint: Checkpoint, configs: dict[str, AdaptationConfig], views: Views, rounds: int, device: torch.device
) -> None:
    """Where the time of each plca step goes."""
    names = ("plca", "plca, every pixel")
    learners = {name: Learner(checkpoint, configs[name], METHODS["plca"], device) for name in names}
    seen = {name: defaultdict(list) for name in names}
    for number in range(rounds + 1):
        for name, learner in learners.items():
            for part, seconds in time_parts(learner, views, device).items():
                if number:
                    seen[name][part].append(seconds)
    what = "ms" if device.type == "cuda" else "ms of the processor"
    print(f"\nWhere the time of a step goes, {what} and share\n  {'':38}" + "".join(f"{name:>20}" for name in names))
    medians = {name: {part: statistics.median(runs) for part, runs in parts.items()} for name, parts in seen.items()}
    totals = {name: sum(parts.values()) for name, parts in medians.items()}
    for part in medians[names[0]]:
        cells = "".join(f"{medians[name][part] * 1e3:12.1f} {medians[name][part] / totals[name]:6.1%} " for name in names)
        print(f"  {part:38}{cells}")


if __name__ == "__main__":
    main()
