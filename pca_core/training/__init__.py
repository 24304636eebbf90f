"""Training on labelled source images."""

from pca_core.training.augmentation import Augmentation
from pca_core.training.optimization import OptimizerConfig
from pca_core.training.trainer import TrainConfig, TrainStep, train

__all__ = ["Augmentation", "OptimizerConfig", "TrainConfig", "TrainStep", "train"]
