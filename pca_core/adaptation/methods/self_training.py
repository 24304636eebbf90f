"""Self-training: the net learns from what its own running average is sure of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from pca_core.adaptation.learner import Learner, Terms, ViewKind
from pca_core.adaptation.methods.base import Method, mean_supervised
from pca_core.adaptation.methods.mixing import mix_views
from pca_core.adaptation.views import Views
from pca_core.losses import self_training_loss, weighted_cross_entropy_loss
from pca_core.types import SegmentationOutput

if TYPE_CHECKING:
    from pca_core.adaptation.config import AdaptationConfig


class SelfTraining(Method):
    """Source: Tarvainen and Valpola, Mean Teacher, 2017; Araslanov and Roth, SAC, CVPR 2021, for segmentation."""

    title = "Self-training (EMA teacher)"
    explanation = "Learns from the confident predictions of a running average of the net, beside the labelled source."

    def needs_teacher(self, config: AdaptationConfig) -> bool:
        return True

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        taught = ask(learner, views)
        outputs = learner.forward({"source": views.source_images, taught.kind: taught.images})
        losses = mean_supervised(learner, outputs["source"].logits, views.source_labels)
        return Terms(losses | {"self_training": taught.loss(outputs)})


@dataclass(frozen=True)
class Taught:
    """What the teacher has to say of a step: views to learn from, and the loss on them."""

    kind: ViewKind
    images: Tensor
    loss: Callable[[dict[ViewKind, SegmentationOutput]], Tensor]


def ask(learner: Learner, views: Views) -> Taught:
    """The self-training term; the teacher sees the views without their change of colours, and never mixed ones."""
    config = learner.config
    probabilities = learner.ask_teacher(views.target_plain)
    if not config.with_mixing:
        return Taught(
            "target",
            views.target_images,
            lambda outputs: self_training_loss(outputs["target"].logits, probabilities, config.confidence),
        )
    mixed = mix_views(views, probabilities, config.confidence, learner.generator)
    return Taught(
        "mixed", mixed.images, lambda outputs: weighted_cross_entropy_loss(outputs["mixed"].logits, mixed.labels, mixed.weights)
    )
