"""Looks at a net during a run: scores on labelled images kept aside, and its health on the target without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pca_core.adaptation.config import AssociationTerms
from pca_core.adaptation.health import (
    Health,
    advise,
    class_overlap,
    class_shares,
    find_vanished,
    normalised_entropy,
    soft_neighbourhood_density,
)
from pca_core.association import associate
from pca_core.data import FolderDataset, resize_label
from pca_core.inference import Segmentation, evaluate, segment
from pca_core.metrics import score
from pca_core.models import Checkpoint
from pca_core.types import Sample

HEALTH_IMAGES = 6
SCORED_IMAGES = 24  # of each domain during a run; a comparison afterwards scores all
HEALTH_TERMS = AssociationTerms(alpha=0.0, max_pixels=2048)  # of the pairs that are associated for their rate


@dataclass(frozen=True)
class Look:
    """What one evaluation found: health, and scores by domain ready for JSON (the target only with labels to score on)."""

    health: Health
    scores: dict[str, dict]


class Observer:
    """Looks at nets on the same images each time.

    Args:
        source: Labelled source images that stand for the source where none were held out.
        held_out: Labelled source images, only scored on; or None.
        target: Images of the target; labels are not read.
        scored_target: Labelled target images, only scored on; or None.
    """

    def __init__(
        self,
        source: FolderDataset,
        held_out: FolderDataset | None,
        target: FolderDataset,
        scored_target: FolderDataset | None,
    ) -> None:
        self._held_out = _spread_out(held_out, SCORED_IMAGES)
        self._reference = self._held_out or _spread_out(source, HEALTH_IMAGES)
        self._scored = _spread_out(scored_target, SCORED_IMAGES)
        self._target = _spread_out(target, HEALTH_IMAGES)
        self.history: list[Health] = []
        self.start_miou: float | None = None

    def look(self, checkpoint: Checkpoint, for_source: Checkpoint) -> Look:
        """Score and examine a net in eval mode.

        Args:
            checkpoint: The net as the target gets it.
            for_source: The same with the statistics that it keeps for the source; what it still knows is told with these.
        """
        names = checkpoint.label_space.class_names
        sets = {"source": (for_source, self._held_out), "target": (checkpoint, self._scored)}
        scores = {domain: score(evaluate(net, samples)).to_dict(names) for domain, (net, samples) in sets.items() if samples}
        miou = scores["source"]["miou"] if "source" in scores else None
        if self.start_miou is None:
            self.start_miou = miou
        retention = 100 * miou / self.start_miou if miou is not None and self.start_miou else None
        health = replace(self._examine(checkpoint, for_source), retention=retention)
        self.history.append(health)
        self.history[-1] = replace(health, suggestion=advise(self.history))
        return Look(self.history[-1], scores)

    def restore(self, history: Sequence[dict], start_miou: float | None) -> None:
        """Take over what an observer of the same run had seen."""
        self.history = [Health(**{**look, "vanished": tuple(look["vanished"])}) for look in history]
        self.start_miou = start_miou

    @torch.inference_mode()
    def _examine(self, checkpoint: Checkpoint, for_source: Checkpoint) -> Health:
        num_classes, names = checkpoint.label_space.num_classes, checkpoint.label_space.class_names
        targets = [segment(checkpoint, sample.image) for sample in self._target]
        probabilities = [segmentation.probabilities[None] for segmentation in targets]
        flat = torch.cat([one.flatten(2) for one in probabilities], dim=2)[..., None]
        target_shares = class_shares(flat.argmax(1).cpu(), num_classes)
        labels = np.concatenate([sample.label.ravel() for sample in self._reference]).astype(np.int64)
        source_shares = class_shares(torch.from_numpy(labels), num_classes)
        rate, coverage = self._associate(for_source, targets)
        return Health(
            normalised_entropy(flat),
            class_overlap(source_shares, target_shares),
            soft_neighbourhood_density(flat),
            None,
            rate,
            coverage,
            find_vanished(source_shares, target_shares, names),
        )

    def _associate(self, for_source: Checkpoint, targets: list[Segmentation]) -> tuple[float, float]:
        pairs = []
        for sample, target in zip(self._reference, targets, strict=False):
            maps = [HEALTH_TERMS.pool(one.features[None])[0] for one in (segment(for_source, sample.image), target)]
            labels = torch.from_numpy(resize_label(sample.label, tuple(maps[0].shape[-2:])).astype(np.int64)).to(maps[0].device)
            pairs.append(associate(*maps, labels, HEALTH_TERMS.config("feature")))
        return tuple(sum(getattr(pair, name) for pair in pairs) / len(pairs) for name in ("rate", "coverage"))


def _spread_out(dataset: FolderDataset | None, count: int) -> list[Sample]:
    """Up to ``count`` samples, evenly over the data set."""
    if dataset is None or not len(dataset):
        return []
    places = np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int))
    return [dataset[int(place)] for place in places]
