"""Half of the classes of a source view pasted over a target view, its teacher's classes for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pca_core.adaptation.views import Views
from pca_core.losses import resize_labels
from pca_core.types import IGNORE_INDEX


@dataclass(frozen=True)
class MixedViews:
    """Views of both domains in one.

    Attributes:
        images: (B, 3, H, W), normalised.
        labels: (B, h, w) int64 at the resolution of the logits: source labels where pasted, the teacher's classes elsewhere.
        weights: (B, h, w): 1 where pasted, elsewhere the share of the image that the teacher is sure of.
    """

    images: Tensor
    labels: Tensor
    weights: Tensor


def mix_views(views: Views, teacher_probabilities: Tensor, confidence: float, generator: torch.Generator) -> MixedViews:
    """Paste half of the classes of each source view, drawn at random, over its target view.

    Args:
        views: Source and target views of one size.
        teacher_probabilities: (B, K, h, w) for the target views.
        confidence: Probability from which the teacher counts as sure.
        generator: Of the draw, on the CPU.

    Source: Olsson et al., ClassMix, WACV 2021; Tranheden et al., DACS, WACV 2021.
    """
    sure, classes = teacher_probabilities.max(1)
    small_labels = resize_labels(views.source_labels, tuple(classes.shape[-2:]))
    pasted = torch.zeros_like(views.source_labels, dtype=torch.bool)
    small_pasted = torch.zeros_like(small_labels, dtype=torch.bool)
    for number, label in enumerate(views.source_labels):
        present = label[label != IGNORE_INDEX].unique()
        order = torch.randperm(len(present), generator=generator).to(present.device)
        chosen = present[order[: (len(present) + 1) // 2]]
        pasted[number] = torch.isin(label, chosen)
        small_pasted[number] = torch.isin(small_labels[number], chosen)
    share = (sure >= confidence).float().mean((1, 2), keepdim=True).expand_as(sure)
    return MixedViews(
        torch.where(pasted[:, None], views.source_images, views.target_images),
        torch.where(small_pasted, small_labels, classes),
        torch.where(small_pasted, 1.0, share),
    )
