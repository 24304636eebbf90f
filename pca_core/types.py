"""Frozen dataclasses that several layers share.

Inside the core a label map always holds class indices ``0 .. K-1`` and :data:`IGNORE_INDEX`, whatever its file held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

IGNORE_INDEX = 255
"""Class index of a pixel without a label, in every label map inside the core."""

Domain = Literal["source", "target"]
Level = Literal["feature", "prediction"]


@dataclass(frozen=True)
class LabelSpace:
    """The classes that a label map or a model speaks of.

    Attributes:
        name: For people and for checkpoints, e.g. ``"camvid-11"``.
        class_names: One name per class index, all different.
        palette: One RGB colour (0-255) per class index.
        ignore_index: The id that stands for "no label" *in label files*. Maps that were read hold 255 instead.

    Raises:
        ValueError: On an empty or repeated name, or a palette of another length.
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: int = IGNORE_INDEX

    def __post_init__(self) -> None:
        if not self.class_names:
            raise ValueError(f"Label space {self.name!r} has no class names. Give at least one.")
        repeated = sorted({name for name in self.class_names if self.class_names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"Label space {self.name!r} names {', '.join(map(repr, repeated))} more than once. "
                "Each class needs a name of its own."
            )
        if len(self.palette) != len(self.class_names):
            raise ValueError(
                f"Label space {self.name!r} needs one RGB colour per class ({len(self.class_names)}), "
                f"got {len(self.palette)}. Complete the palette, or leave it out to get a generated one."
            )

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


@dataclass(frozen=True)
class Sample:
    """One image with what is known about it.

    Attributes:
        name: File stem or a name that a person recognises.
        domain: ``"source"`` or ``"target"``.
        image: (H, W, 3) uint8, RGB, upright.
        label: (H, W) uint8 class indices and 255, or None when there is no label.
        label_space: The classes of ``label``; None when there is no label.
    """

    name: str
    domain: Domain
    image: np.ndarray
    label: np.ndarray | None = None
    label_space: LabelSpace | None = None


@dataclass(frozen=True)
class SegmentationOutput:
    """What every model returns.

    Attributes:
        features: (B, C, h, w), what feeds the last classifier.
        logits: (B, K, h, w), at the resolution of the features.
        output_stride: Input pixels per feature pixel, along each side.
    """

    features: Tensor
    logits: Tensor
    output_stride: int
