"""PLCA, the paper's objective, with switches for what goes well with it.

``L = L_ce + 0.75 L_lovász + 0.1 (L_fass + L_cass) + 0.01 (L_lsr^s + L_lsr^t)``. Source: PLCA section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from pca_core.adaptation.learner import Learner, Terms, ViewKind
from pca_core.adaptation.methods.base import Method, mean_supervised
from pca_core.adaptation.methods.self_training import ask
from pca_core.adaptation.views import Views
from pca_core.losses import AssociationLoss, association_loss, resize_labels, smoothing_loss
from pca_core.types import Level, SegmentationOutput

if TYPE_CHECKING:
    from pca_core.adaptation.config import AdaptationConfig


class PLCA(Method):
    title = "Pixel-level cycle association (PLCA)"
    explanation = "Strengthens pairs of source and target pixels that find back to their own class, beside the labelled source."

    def needs_teacher(self, config: AdaptationConfig) -> bool:
        return config.with_teacher or config.with_self_training

    def compute_terms(self, learner: Learner, views: Views) -> Terms:
        images: dict[ViewKind, Tensor] = {"source": views.source_images, "target": views.target_images}
        taught = ask(learner, views) if learner.config.with_self_training else None
        outputs = learner.forward(images | ({taught.kind: taught.images} if taught else {}))
        source, target = outputs["source"], outputs["target"]
        losses = mean_supervised(learner, source.logits, views.source_labels)
        weights, facts = learner.config.weights, {}
        if weights.source_smoothing:
            losses["source_smoothing"] = smoothing_loss(source.logits)
        if weights.target_smoothing:
            losses["target_smoothing"] = smoothing_loss(target.logits)
        for level in ("feature", "prediction"):
            if getattr(weights, f"{level}_association"):
                losses[f"{level}_association"], facts[level] = associate_pairs(
                    learner, source, target, views.source_labels, level
                )
        if taught:
            losses["self_training"] = taught.loss(outputs)
        return Terms(losses, facts)


def associate_pairs(
    learner: Learner, source: SegmentationOutput, target: SegmentationOutput, labels: Tensor, level: Level
) -> tuple[Tensor, dict[str, float]]:
    """The association loss as the mean over pairs, as the paper defines it for one pair, and what it found."""
    terms = learner.config.association
    maps = [terms.pool(_choose(output, level)) for output in (source, target)]
    small_labels = resize_labels(labels, tuple(maps[0].shape[-2:]))
    loss = association_loss(
        *maps,
        small_labels,
        config=terms.config(level),
        reduction="pairs",
        pixels_per_class=terms.pixels_per_class,
        generator=learner.generator,
    )
    return loss.value, _describe(loss)


def _choose(output: SegmentationOutput, level: Level) -> Tensor:
    return output.features if level == "feature" else output.logits.softmax(1)


def _describe(loss: AssociationLoss) -> dict[str, float]:
    """Means over the pairs."""
    pairs, facts = loss.associations, {"rate": "rate", "coverage": "coverage", "hubness": "hub_share"}
    return {name: sum(getattr(pair, attribute) for pair in pairs) / len(pairs) for name, attribute in facts.items()}
