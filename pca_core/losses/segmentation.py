"""Losses on the predictions of one domain: supervised (cross-entropy, Lovász) and without labels (smoothing, entropy).

B is the batch, P = B·h·w all its pixels, K the classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.types import IGNORE_INDEX


def check_class_ids(labels: Tensor, num_classes: int, ignore_index: int = IGNORE_INDEX) -> None:
    """Raise ValueError unless every id is below ``num_classes`` or ``ignore_index``. On a GPU this waits for work under way."""
    is_wrong = (labels != ignore_index) & ((labels < 0) | (labels >= num_classes))
    if is_wrong.any():
        wrong = ", ".join(map(str, labels[is_wrong].unique()[:5].tolist()))
        raise ValueError(
            f"labels must hold class ids 0 to {num_classes - 1} or {ignore_index} (ignore), got {wrong}. "
            f"Map other ids to {ignore_index}, or use a model with as many classes as the labels."
        )


def cross_entropy_loss(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over the labelled pixels; with weights the weighted mean, ``Σ w_y ℓ / Σ w_y``.

    Args:
        logits: (B, K, h, w).
        labels: (B, h, w) int64, ``ignore_index`` where unlabelled.
        ignore_index: Class id that does not count.
        class_weights: (K,) positive; None counts every pixel the same.

    Returns:
        Scalar tensor; zero, still attached to the graph, when no pixel is labelled.

    Raises:
        ValueError: On an id that is no class. On a GPU nothing is raised, because looking would cost a synchronisation a step
            and a wrong id would end the CUDA context: the loss is NaN then. Call :func:`check_class_ids` on the CPU before.
    """
    is_labelled = labels != ignore_index
    if labels.device.type == "cpu":
        check_class_ids(labels, logits.shape[1], ignore_index)
        total = F.cross_entropy(logits, labels, class_weights, ignore_index=ignore_index, reduction="sum")
    else:
        total = _guarded_cross_entropy(logits, labels, is_labelled, class_weights)
    if class_weights is None:
        return total / is_labelled.sum().clamp_min(1)
    weights = class_weights[labels.clamp(0, len(class_weights) - 1)] * is_labelled
    return total / weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)


def _guarded_cross_entropy(logits: Tensor, labels: Tensor, is_labelled: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Summed cross-entropy, NaN for an id that would read outside the classes."""
    is_wrong = is_labelled & ((labels < 0) | (labels >= logits.shape[1]))
    safe_labels = labels.masked_fill(is_wrong | ~is_labelled, -100)  # torch's own ignore index, no class ever
    total = F.cross_entropy(logits, safe_labels, class_weights, ignore_index=-100, reduction="sum")
    return torch.where(is_wrong.any(), torch.nan, total)


def smoothing_loss(logits: Tensor, tau: float = 10.0) -> Tensor:
    """Adaptive label smoothing: sharpens predictions up to a point, and flattens those that have all but collapsed on one class.

    ``ℓ = −mean_k log P_k`` per pixel; ``L = mean((ℓ/τ − 1).detach() · ℓ)``.

    Args:
        logits: (B, K, h, w).
        tau: The ℓ (nats) at which the pull turns from sharpening (below) to flattening: descent moves a logit by
            ``(1 − ℓ/τ) (P_k − 1/K)``.

    Returns:
        Scalar tensor. It can be negative. Source: PLCA section 3.4.
    """
    return smoothing_per_pixel(logits, tau).mean()


def smoothing_per_pixel(logits: Tensor, tau: float = 10.0) -> Tensor:
    """The (B, h, w) terms of which :func:`smoothing_loss` is the mean."""
    flatness = -F.log_softmax(logits, dim=1).mean(1)
    return (flatness / tau - 1).detach() * flatness


def entropy_loss(logits: Tensor) -> Tensor:
    """Mean entropy of the predictions in nats, ``−Σ_k P_k log P_k``: (B, K, h, w) logits → scalar tensor.

    Source: Wang et al., TENT, ICLR 2021.
    """
    log_probabilities = F.log_softmax(logits, dim=1)
    return -(log_probabilities.exp() * log_probabilities).sum(1).mean()


def self_training_loss(logits: Tensor, teacher_probabilities: Tensor, threshold: float) -> Tensor:
    """Cross-entropy on the classes that a teacher is sure of.

    ``L = 1/P Σ_i [max_k q_ik ≥ threshold] · −log P_i,argmax q_i``: divided by all pixels, so that few sure pixels pull little.

    Args:
        logits: (B, K, h, w) of the student.
        teacher_probabilities: (B, K, h, w), without gradient.
        threshold: Probability from which a pixel counts, 0-1.

    Source: Tarvainen and Valpola 2017 (averaged teacher); Tranheden et al., DACS, WACV 2021 (share of sure pixels as weight).
    """
    confidence, classes = teacher_probabilities.max(1)
    return weighted_cross_entropy_loss(logits, classes, (confidence >= threshold).to(logits))


def weighted_cross_entropy_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """``1/P Σ_i w_i · −log P_i,y_i``: (B, K, h, w) logits, (B, h, w) class ids and weights → scalar tensor."""
    return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()


def lovasz_softmax_loss(probabilities: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX) -> Tensor:
    """Lovász-softmax, a convex surrogate of 1 − mIoU over the classes present in the batch.

    Per class: errors ``|[y = k] − P_k|`` sorted descending, times the discrete gradient of the Jaccard loss along that order.

    Args:
        probabilities: (B, K, h, w) softmax outputs.
        labels: (B, h, w) int64; ``ignore_index`` where unlabelled.
        ignore_index: Class id that does not count.

    Returns:
        Scalar tensor; zero, still attached to the graph, when no pixel is labelled.

    Raises:
        ValueError: On an id that is no class, or labels of another size than the probabilities.

    Source: Berman, Rannen Triki, Blaschko, CVPR 2018. All classes are sorted in one call; ties may be ordered either way.
    """
    wanted = (len(probabilities), *probabilities.shape[2:])
    if tuple(labels.shape) != wanted:
        raise ValueError(f"labels must have one class id per pixel {wanted}, got shape {tuple(labels.shape)}. Resize them first.")
    is_labelled = labels != ignore_index
    labelled = labels[is_labelled]
    if labelled.numel() == 0:
        return (probabilities * 0.0).sum()
    present = labelled.unique()
    check_class_ids(present, probabilities.shape[1], ignore_index)
    probability_PK = probabilities.movedim(1, -1)[is_labelled]
    is_class_KP = labelled == present[:, None]
    error_KP = (is_class_KP.to(probability_PK) - probability_PK.T[present]).abs()
    sorted_error_KP, order_KP = error_KP.sort(dim=1, descending=True)
    return (sorted_error_KP * _jaccard_gradient(is_class_KP.gather(1, order_KP))).sum(1).mean()


def _jaccard_gradient(is_class_KP: Tensor) -> Tensor:
    """Increase of the Jaccard loss as pixels turn wrong one after the other, in the given order. Counts are exact integers."""
    count_K1 = is_class_KP.sum(1, keepdim=True)
    hit_KP = is_class_KP.cumsum(1)
    miss_KP = torch.arange(1, is_class_KP.size(1) + 1, device=is_class_KP.device) - hit_KP
    jaccard_KP = 1.0 - (count_K1 - hit_KP) / (count_K1 + miss_KP)
    return torch.cat([jaccard_KP[:, :1], jaccard_KP.diff(dim=1)], dim=1)


def supervised_losses(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> dict[str, Tensor]:
    """Cross-entropy and Lovász-softmax of (B, K, h, w) logits against (B, H, W) labels, by name.

    Cross-entropy sees labels at full resolution; Lovász sorts all pixels of every class, so it works at that of the logits.
    """
    full = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
    small_labels = resize_labels(labels, tuple(logits.shape[-2:]))
    return {
        "cross_entropy": cross_entropy_loss(full, labels, class_weights=class_weights),
        "lovasz": lovasz_softmax_loss(logits.softmax(1), small_labels),
    }


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) class ids at another size, each sampled at the centre of its cell."""
    return F.interpolate(labels[:, None].float(), size=size, mode="nearest-exact")[:, 0].long()
