"""How an image becomes the input of a net."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class InputNormalisation:
    """How an RGB uint8 image becomes the net's input: ``(channels / scale − mean) / std`` in the given channel order."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    scale: float = 255.0
    channel_order: str = "RGB"

    def __post_init__(self) -> None:
        if self.channel_order not in ("RGB", "BGR"):
            raise ValueError(f"channel_order must be 'RGB' or 'BGR', got {self.channel_order!r}.")
        numbers = (*self.mean, *self.std, self.scale)
        if len(self.mean) != 3 or len(self.std) != 3 or min(*self.std, self.scale) <= 0 or not all(map(math.isfinite, numbers)):
            raise ValueError("Input normalisation needs three means, three positive stds and a positive scale, all finite.")
