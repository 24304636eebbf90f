"""What a method of adaptation is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from pca_core.adaptation.learner import Terms
from pca_core.losses import supervised_losses

if TYPE_CHECKING:
    from pca_core.adaptation.config import AdaptationConfig
    from pca_core.adaptation.learner import Learner
    from pca_core.adaptation.views import Views


class Method:
    """A method that takes gradient steps; :meth:`compute_terms` is what makes it this method.

    Attributes:
        title: For people.
        explanation: One sentence for people who choose.
        trained_layers: What moves unless the config says otherwise.
        is_gradient_based: Whether it takes gradient steps at all.
        sees_target: Whether target images pass through the net; where not, statistics of the target's own are not kept.
    """

    title = ""
    explanation = ""
    trained_layers = "all"
    is_gradient_based = True
    sees_target = True

    def needs_teacher(self, config: AdaptationConfig) -> bool:
        """Whether the step asks a running average of the net."""
        return config.with_teacher

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        """Losses of one part of a step, each a mean over its pairs."""
        raise NotImplementedError


def mean_supervised(learner: Learner, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Supervised losses as the mean over images: what a part or a process computes adds up to what one would."""
    each = [supervised_losses(logits[b : b + 1], labels[b : b + 1], learner.class_weights) for b in range(len(logits))]
    return {name: sum(losses[name] for losses in each) / len(each) for name in each[0]}
