"""Self-training: the net learns from what its own running average is sure of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from pca_core.adaptation.learner import Learner, Terms
from pca_core.adaptation.methods.base import Method, mean_supervised
from pca_core.adaptation.views import Views
from pca_core.losses import self_training_loss

if TYPE_CHECKING:
    from pca_core.adaptation.config import AdaptationConfig


class SelfTraining(Method):
    """Source: Tarvainen and Valpola, Mean Teacher, 2017; Araslanov and Roth, SAC, CVPR 2021, for segmentation."""

    title = "Self-training (EMA teacher)"
    explanation = "Learns from the confident predictions of a running average of the net, beside the labelled source."

    def needs_teacher(self, config: AdaptationConfig) -> bool:
        return True

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        outputs = learner.forward({"source": views.source_images, "target": views.target_images})
        losses = mean_supervised(outputs["source"].logits, views.source_labels)
        return Terms(losses | {"self_training": teach(learner, views, outputs["target"].logits)})


def teach(learner: Learner, views: Views, target_logits: Tensor) -> Tensor:
    """The self-training term: the teacher sees the views without their change of colours."""
    return self_training_loss(target_logits, learner.ask_teacher(views.target_plain), learner.config.confidence)
