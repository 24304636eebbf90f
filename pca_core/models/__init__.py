"""Segmentation nets and their checkpoints."""

from pca_core.models.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from pca_core.models.families import FAMILIES, architecture_of, is_installed
from pca_core.models.importing import import_checkpoint
from pca_core.models.normalisation import InputNormalisation
from pca_core.models.registry import MODELS, SegmentationModel, build_model, find_normalisation, find_size_multiple

__all__ = [
    "FAMILIES",
    "MODELS",
    "Checkpoint",
    "InputNormalisation",
    "SegmentationModel",
    "architecture_of",
    "build_model",
    "find_normalisation",
    "find_size_multiple",
    "import_checkpoint",
    "is_installed",
    "load_checkpoint",
    "save_checkpoint",
]
