"""The terms of the PLCA objective and of its neighbours, each formula once."""

from pca_core.losses.association import AssociationLoss, association_loss
from pca_core.losses.objective import LossWeights, total_loss
from pca_core.losses.segmentation import (
    check_class_ids,
    cross_entropy_loss,
    entropy_loss,
    lovasz_softmax_loss,
    resize_labels,
    self_training_loss,
    smoothing_loss,
    supervised_losses,
    weighted_cross_entropy_loss,
)

__all__ = [
    "AssociationLoss",
    "LossWeights",
    "association_loss",
    "check_class_ids",
    "cross_entropy_loss",
    "entropy_loss",
    "lovasz_softmax_loss",
    "resize_labels",
    "self_training_loss",
    "smoothing_loss",
    "supervised_losses",
    "total_loss",
    "weighted_cross_entropy_loss",
]
