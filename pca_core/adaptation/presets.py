"""Settings that are known to work: plain configs, to be changed with ``dataclasses.replace``."""

from __future__ import annotations

from pca_core.adaptation.config import AdaptationConfig, AssociationTerms
from pca_core.training import Augmentation, OptimizerConfig

# 28 epochs over GTAV's 24,966 images at 4 × 2 a step, the schedule as if there were 30.
PLCA_PAPER = AdaptationConfig(
    method="plca",
    steps=87_381,
    batch_size=4,
    accumulation=2,
    crop=(730, 730),
    optimizer=OptimizerConfig("sgd", 2.5e-4, 5e-4, 0.9, "poly", 0.9, schedule_steps=93_622),
    precision="float32",
)
# Found by mIoU on dusk-rain frames that are not held out; docs/adaptation.md tells what was tried.
QUICK = AdaptationConfig(
    method="plca",
    steps=240,
    batch_size=4,
    enlarge=1.5,
    optimizer=OptimizerConfig("adamw", 5e-4, 1e-2, schedule="poly", warmup_steps=10, clip_norm=5.0),
    association=AssociationTerms(max_pixels=2048, pixels_per_class=60),
    rare_class=0.1,
    class_balance=0.3,
    colour_transfer=0.7,
    batch_norm="per-domain",
    recalibrate=True,
    augmentation=Augmentation(max_scale=1.3),
    target_augmentation=Augmentation(max_scale=1.3),
    precision="auto",
)
PRESETS: dict[str, AdaptationConfig] = {"quick": QUICK, "plca-paper": PLCA_PAPER}
