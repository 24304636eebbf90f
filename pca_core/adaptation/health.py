"""How an adapted net is doing, told without a single target label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pca_core.types import IGNORE_INDEX

SND_TEMPERATURE = 0.05
SND_PIXELS = 1024


@dataclass(frozen=True)
class Health:
    """One look at a net on fixed target images and held-out source images.

    Attributes:
        entropy: Mean entropy of target predictions over its largest possible value, 0 (sure) to 1.
        class_balance: Overlap of the class shares predicted on the target with those of the source labels, 0 to 1 (equal).
        snd: Soft neighbourhood density of the target in nats; higher is denser.
        retention: Held-out source mIoU now over what it was before adaptation, in per cent; None without a held-out set.
        rate: Cycle-consistency rate of fixed pairs at feature level, 0-1.
        coverage: Target pixels associated in them, 0-1.
        vanished: Classes that the source shows and that have all but gone from the predictions on the target.
        suggestion: What one might do, in plain words; None when there is nothing to say.
    """

    entropy: float
    class_balance: float
    snd: float
    retention: float | None
    rate: float
    coverage: float
    vanished: tuple[str, ...] = ()
    suggestion: str | None = None

    def to_dict(self) -> dict:
        return asdict(self)


def normalised_entropy(probabilities: Tensor) -> float:
    """Mean entropy of (B, K, h, w) probabilities over ``log K``: 0-1."""
    entropy = -torch.special.xlogy(probabilities, probabilities).sum(1).mean()
    return entropy.item() / math.log(max(probabilities.shape[1], 2))


def class_shares(classes: Tensor, num_classes: int) -> Tensor:
    """(K,) share of each class among the labelled pixels of a class map of any shape."""
    counts = torch.bincount(classes[classes != IGNORE_INDEX].flatten(), minlength=num_classes)[:num_classes].double()
    return counts / counts.sum().clamp_min(1)


def class_overlap(shares: Tensor, others: Tensor) -> float:
    """``Σ_k min(p_k, q_k)``: 1 when two distributions are equal, 0 when they have no class in common."""
    return torch.minimum(shares, others).sum().item()


def soft_neighbourhood_density(probabilities: Tensor, num_pixels: int = SND_PIXELS, seed: int = 0) -> float:
    """Mean entropy of the similarities of target pixels to one another, in nats.

    Rows of ``softmax(p̂ p̂ᵀ/0.05)`` without the diagonal, p̂ the normalised predictions: high when a pixel has many alike.

    Args:
        probabilities: (B, K, h, w) of target images.
        num_pixels: Drawn over all images.
        seed: Of the draw.

    Source: Saito et al., *Tune it the right way*, ICCV 2021.
    """
    pixels_NK = probabilities.movedim(1, -1).flatten(0, -2)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(pixels_NK), generator=generator)[:num_pixels].to(pixels_NK.device)
    rows_NK = F.normalize(pixels_NK[chosen], dim=1)
    score_NN = (rows_NK @ rows_NK.T / SND_TEMPERATURE).fill_diagonal_(-torch.inf)
    probability_NN = score_NN.softmax(1)
    return -torch.special.xlogy(probability_NN, probability_NN).sum(1).mean().item()


def find_vanished(source_shares: Tensor, target_shares: Tensor, names: Sequence[str]) -> tuple[str, ...]:
    """Classes with at least 1 % of the source labels and less than a twentieth of that share on the target."""
    gone = (source_shares >= 0.01) & (target_shares < source_shares / 20)
    return tuple(name for name, is_gone in zip(names, gone.tolist(), strict=True) if is_gone)


def advise(history: Sequence[Health]) -> str | None:
    """A suggestion from the looks so far, the newest last; rules of thumb, no verdict.

    Args:
        history: From the start of the run on.
    """
    if len(history) < 2:
        return None
    first, last = history[0], history[-1]
    new_gone = [name for name in last.vanished if name not in first.vanished]
    if new_gone:
        gone = ", ".join(new_gone)
        return f"Predictions of {gone} have all but gone from the target: consider stopping, or a lower learning rate."
    if last.retention is not None and last.retention < 85:
        left = f"Only {last.retention:.0f} % of the held-out source mIoU is left"
        return f"{left}: the net forgets what it was taught. Consider stopping here."
    if last.entropy < first.entropy and last.rate < first.rate - 0.05:
        return "Predictions grow surer while fewer cycles close: the net may be growing sure of mistakes. Consider stopping here."
    recent = history[-3:]
    if len(history) >= 5 and _spread([look.snd for look in recent]) < 0.02 and _spread([look.rate for look in recent]) < 0.02:
        return (
            "Neither neighbourhood density nor cycle-consistency rate moved over three looks: further steps are unlikely to help."
        )
    return None


def _spread(values: Sequence[float]) -> float:
    """Range over mean."""
    return (max(values) - min(values)) / max(abs(sum(values) / len(values)), 1e-9)
