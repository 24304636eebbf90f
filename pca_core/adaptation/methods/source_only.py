"""Control: go on training on the labelled source, as long as the method it is compared with."""

from __future__ import annotations

from pca_core.adaptation.learner import Learner, Terms
from pca_core.adaptation.methods.base import Method, mean_supervised
from pca_core.adaptation.views import Views


class SourceOnly(Method):
    title = "Source only"
    explanation = "A control: as many further steps on the labelled source images, the target is never seen."
    sees_target = False

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        logits = learner.forward({"source": views.source_images})["source"].logits
        return Terms(mean_supervised(learner, logits, views.source_labels))
