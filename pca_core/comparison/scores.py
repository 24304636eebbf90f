"""Several nets over the same images: scores where there are labels, label-free health always."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from pca_core.adaptation.health import class_shares, normalised_entropy, soft_neighbourhood_density
from pca_core.inference import evaluate, segment
from pca_core.metrics import SegmentationScore, score
from pca_core.models import Checkpoint
from pca_core.models.checkpoints import check_same_classes
from pca_core.types import Sample

HEALTH_SAMPLES = 12


@dataclass(frozen=True)
class NetScore:
    """One net over a set of images.

    Attributes:
        name: For people.
        score: None without labels.
        entropy: Mean entropy of the predictions over its largest, 0-1.
        snd: Soft neighbourhood density in nats.
        class_shares: (K,) share of pixels predicted for each class.
    """

    name: str
    score: SegmentationScore | None
    entropy: float
    snd: float
    class_shares: np.ndarray


def compare_nets(
    nets: Mapping[str, Checkpoint], samples: Iterable[Sample], progress: Callable[[float, str], None] = lambda *_: None
) -> list[NetScore]:
    """Run every net over every image.

    Args:
        nets: By name, in the order in which they are to be shown; the first one's classes are expected of all.
        samples: Images, labelled or not.
        progress: Told the share that is done and what is done next; raising from it stops.

    Raises:
        InputError: ``CHECKPOINT_CLASSES``.
    """
    samples, found = list(samples), []
    space = next(iter(nets.values())).label_space
    for number, (name, net) in enumerate(nets.items()):
        check_same_classes(name, net.label_space, space)
        done = number / len(nets)
        progress(done, name)
        probabilities = torch.cat([_flat(net, sample) for sample in samples[:: max(1, len(samples) // HEALTH_SAMPLES)]], dim=2)
        shares = class_shares(probabilities.argmax(1).cpu(), space.num_classes).numpy()
        health = normalised_entropy(probabilities), soft_neighbourhood_density(probabilities)
        found.append(
            NetScore(
                name,
                _score(net, samples, lambda share, name=name, done=done: progress(done + share / len(nets), name)),
                *health,
                shares,
            )
        )
    progress(1.0, "")
    return found


def _flat(net: Checkpoint, sample: Sample) -> torch.Tensor:
    """(1, K, pixels, 1) probabilities."""
    return segment(net, sample.image).probabilities[None].flatten(2)[..., None]


def _score(net: Checkpoint, samples: list[Sample], progress: Callable[[float], None]) -> SegmentationScore | None:
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        return None

    def watched(items: Iterable[Sample]) -> Iterable[Sample]:
        for number, item in enumerate(items):
            progress(number / len(labelled))
            yield item

    return score(evaluate(net, labelled, progress=watched))


def to_csv(scores: Iterable[NetScore], class_names: Iterable[str]) -> str:
    """One row a net: mIoU and IoU by class in per cent (empty where there are no labels), entropy, density, class shares."""
    names = list(class_names)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = [f"iou {name}" for name in names], [f"share {name}" for name in names]
    writer.writerow(["net", "miou", "pixel accuracy", *heads[0], "entropy", "snd", *heads[1]])
    for one in scores:
        iou = [""] * len(names) if one.score is None else ["" if np.isnan(value) else f"{value:.3f}" for value in one.score.iou]
        figures = ["", ""] if one.score is None else [f"{one.score.miou:.3f}", f"{one.score.pixel_accuracy:.3f}"]
        shares = [f"{value:.5f}" for value in one.class_shares]
        writer.writerow([one.name, *figures, *iou, f"{one.entropy:.5f}", f"{one.snd:.5f}", *shares])
    return file.getvalue()
