"""How long all of GTAV × Cityscapes would take, projected from what one pair takes on this machine; prints Markdown.

    python benchmarks/projection.py
    python benchmarks/projection.py --speed-up 40      # of a device that was measured to be 40 times as fast as this machine

Nothing here was run on a GPU: a device is one whose arithmetic is `--speed-up` times as fast as that of the machine that the
script runs on, 1 unless told; reading and decoding stay on one thread of a CPU. Measured are the parts of a pair at the size of
Cityscapes. Devices share nothing, so they divide the time:

    seconds = (images × reading + (images × segmenting + targets × aggregation + pairs × association) / speed-up) / devices

Images and targets are counted as often as they are segmented and aggregated: what the cache still has costs nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

GTAV, CITYSCAPES = 24_966, 2_975  # images of GTAV; of Cityscapes' training part
SIZE = (1024, 2048)  # of a Cityscapes image; GTAV's are 1,052 × 1,914
MAP = (64, 128)  # its features: those of the built-in net, or of a ResNet of stride 8 at a short side of 512
CLASSES = 19
DEVICES = (1, 8, 64)


def best(rounds: int, job: Callable[[], object]) -> float:
    """Seconds of the quickest round: others on the machine can only make one slower."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def measure(channels: int, rounds: int) -> dict[str, float]:
    """Seconds of the parts of a pair, and bytes of its image and its line."""
    import torch

    from pca_core.association import PairAnalysis, warm_up
    from pca_core.association.aggregation import borrow
    from pca_core.data import encode_png, open_dataset, read_image, resize_image
    from pca_core.data.streets import BUILT_IN_NET
    from pca_core.export.association import association_statistics
    from pca_core.inference import segment
    from pca_core.many.journal import encode
    from pca_core.models import load_checkpoint
    from pca_core.types import FeaturePair, LabelSpace

    warm_up()
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (2, *MAP), generator=generator)
    centres = torch.randn(CLASSES, channels, generator=generator)
    noise = torch.randn(2, channels, *MAP, generator=generator)
    source, target = centres[labels].permute(0, 3, 1, 2) + 2.0 * noise
    pair = FeaturePair(source, target, labels[0], target_labels=labels[1])
    space = LabelSpace("any", tuple(map(str, range(CLASSES))), ((0, 0, 0),) * CLASSES)
    borrowed = {}
    aggregation = best(rounds, lambda: borrow(target, "feature"))
    PairAnalysis(pair, borrowed=borrowed).directions()  # filled: what follows is a pair of a known target

    def associate() -> dict:
        return association_statistics(PairAnalysis(pair, borrowed=borrowed), space, with_soft_cycle=False)

    association = best(rounds, associate)
    net = load_checkpoint(BUILT_IN_NET)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "street.png"
        file.write_bytes(encode_png(resize_image(open_dataset("streets:noon")[0].image, SIZE)))
        reading = best(rounds, lambda: read_image(file))
        picture = read_image(file)
    assert segment(net, picture).features.shape[-2:] == MAP
    return {
        "reading": reading,
        "segmenting": best(rounds, lambda: segment(net, picture)),
        "aggregation": aggregation,
        "association": association,
        "line_bytes": len(encode(associate())),
    }


@dataclass(frozen=True)
class Plan:
    """What is paired, and how often each part of a pair is done for it."""

    name: str
    images: int
    targets: int
    pairs: int

    def seconds(self, parts: dict[str, float], speed_up: float) -> float:
        """On one device."""
        return self.images * parts["reading"] + self.arithmetic(parts) / speed_up

    def arithmetic(self, parts: dict[str, float]) -> float:
        """Seconds on this machine of all that a quicker device is quicker at."""
        return self.images * parts["segmenting"] + self.targets * parts["aggregation"] + self.pairs * parts["association"]

    def binding(self, parts: dict[str, float]) -> float:
        """The speed-up from which reading takes more than half of the time."""
        return self.arithmetic(parts) / (self.images * parts["reading"])


def make_plans() -> list[Plan]:
    from pca_core.many.pair_list import BLOCK

    seen = -(-GTAV // BLOCK) * CITYSCAPES  # each target once for a few sources
    return [
        Plan("each Cityscapes image with one of GTAV", 2 * CITYSCAPES, CITYSCAPES, CITYSCAPES),
        Plan("each GTAV image with one of Cityscapes", 2 * GTAV, GTAV, GTAV),
        Plan(f"all with all, {BLOCK} sources at a time", GTAV + seen, seen, GTAV * CITYSCAPES),
    ]


def duration(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 1:
        return f"{seconds / 60:.0f} min"
    return f"{hours:,.1f} h" if hours < 100 else f"{hours / 24:,.0f} days"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=256, metavar="C")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--speed-up", type=float, default=1.0, help="of a device over this machine, as measured by you")
    arguments = parser.parse_args()
    from pca_core.device import describe_machine

    seconds = measure(arguments.channels, arguments.rounds)
    pixels = MAP[0] * MAP[1]
    product = 2 * pixels**2 * arguments.channels
    print(
        f"Measured on {describe_machine()}, CPU, "
        f"load {os.getloadavg()[0]:.1f}, best of {arguments.rounds}; "
        f"N = {pixels:,} feature pixels a side, C = {arguments.channels}:\n"
    )
    print("| part | seconds | |\n|---|---:|---|")
    print(f"| reading a {SIZE[0]:,} × {SIZE[1]:,} PNG | {seconds['reading']:.3f} | one thread |")
    print(f"| segmenting it with the built-in net | {seconds['segmenting']:.3f} | a ResNet takes several times as long |")
    for part, products in (("aggregation", 2), ("association", 1)):
        rate = products * product / seconds[part] / 1e9
        print(f"| {part} | {seconds[part]:.3f} | {products} × 2N²C = {products * product / 1e9:.0f} Gflop, {rate:.0f} Gflop/s |")
    print(f"\n**A projection, not a measurement**: on devices {arguments.speed_up:g} times as fast as this machine.\n")
    names = " | ".join(f"{count} device{'s' * (count > 1)}" for count in DEVICES)
    print(f"| pairs | number | {names} | lines | reading binds from |\n|---|---:|{'---:|' * (len(DEVICES) + 2)}")
    for plan in make_plans():
        total = plan.seconds(seconds, arguments.speed_up)
        times = " | ".join(duration(total / count) for count in DEVICES)
        size = f"{plan.pairs * seconds['line_bytes'] / 1e9:,.2f} GB"
        print(f"| {plan.name} | {plan.pairs:,} | {times} | {size} | {plan.binding(seconds):.0f} × this machine |")


if __name__ == "__main__":
    main()
