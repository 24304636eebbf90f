"""Adapting a net to unlabelled target images: methods, controls, and an honest account of what they did."""

from pca_core.adaptation.batch_norm import estimate_batch_norm, with_target_statistics
from pca_core.adaptation.config import AdaptationConfig, AssociationTerms, config_from_dict, config_to_dict
from pca_core.adaptation.engine import Adaptation, adapt
from pca_core.adaptation.health import Health
from pca_core.adaptation.methods import CONTROLS, METHODS, Method
from pca_core.adaptation.presets import PRESETS
from pca_core.adaptation.records import AdaptationStep
from pca_core.memory import OutOfMemory

__all__ = [
    "CONTROLS",
    "METHODS",
    "PRESETS",
    "Adaptation",
    "AdaptationConfig",
    "AdaptationStep",
    "AssociationTerms",
    "Health",
    "Method",
    "OutOfMemory",
    "adapt",
    "config_from_dict",
    "config_to_dict",
    "estimate_batch_norm",
    "with_target_statistics",
]
