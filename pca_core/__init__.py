"""CycleLens core: pixel-level cycle association (PLCA) for domain-adaptive semantic segmentation, without a user interface."""

import os

# Threads that spin while they wait make torch many times slower as soon as another process wants the cores. Read once, when torch
# loads its OpenMP library; what the environment says wins.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from pca_core.association import AssociationConfig, PairAnalysis, aggregate, associate, describe_trace, explain_pixel, summarise
from pca_core.checks import InputError
from pca_core.losses import (
    AssociationLoss,
    LossWeights,
    association_loss,
    cross_entropy_loss,
    lovasz_softmax_loss,
    smoothing_loss,
    total_loss,
)
from pca_core.models import Checkpoint, build_model, load_checkpoint, save_checkpoint
from pca_core.types import IGNORE_INDEX, Association, FeaturePair, LabelSpace, Sample, SegmentationOutput

__version__ = "0.1.0"

__all__ = [
    "IGNORE_INDEX",
    "Association",
    "AssociationConfig",
    "AssociationLoss",
    "Checkpoint",
    "FeaturePair",
    "InputError",
    "LabelSpace",
    "LossWeights",
    "PairAnalysis",
    "Sample",
    "SegmentationOutput",
    "aggregate",
    "associate",
    "association_loss",
    "build_model",
    "cross_entropy_loss",
    "describe_trace",
    "explain_pixel",
    "load_checkpoint",
    "lovasz_softmax_loss",
    "save_checkpoint",
    "smoothing_loss",
    "summarise",
    "total_loss",
]
