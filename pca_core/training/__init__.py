"""Training on labelled source images."""

from pca_core.training.augmentation import Augmentation
from pca_core.training.trainer import TrainConfig, TrainStep, train

__all__ = ["Augmentation", "TrainConfig", "TrainStep", "train"]
