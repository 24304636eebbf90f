"""Entropy minimisation: the net grows sure of what it says about the target, by its batch norms' scales and shifts alone."""

from __future__ import annotations

from pca_core.adaptation.learner import Learner, Terms
from pca_core.adaptation.methods.base import Method
from pca_core.adaptation.views import Views
from pca_core.losses import entropy_loss


class Entropy(Method):
    """Needs no source images. Source: Wang et al., TENT, ICLR 2021; there each batch is also what is predicted."""

    title = "Entropy minimisation (TENT)"
    explanation = "Makes target predictions surer by the scales and shifts of the batch norms alone; fast, and easily wrong."
    trained_layers = "batch-norm"

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        logits = learner.forward({"target": views.target_images})["target"].logits
        return Terms({"entropy": entropy_loss(logits)})
