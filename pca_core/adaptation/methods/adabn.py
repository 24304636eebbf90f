"""AdaBN: the net keeps its weights and gets the batch-norm statistics of the target images."""

from __future__ import annotations

from pca_core.adaptation.methods.base import Method


class AdaBN(Method):
    """No gradient steps: the engine passes every target image through the net once. Source: Li et al. 2016."""

    title = "Batch-norm statistics (AdaBN)"
    explanation = "A control that takes seconds: only the running means and variances of the net are re-estimated on the target."
    is_gradient_based = False
