"""Frozen dataclasses that several layers share.

Inside the core a label map always holds class indices ``0 .. K-1`` and :data:`IGNORE_INDEX`, whatever its file held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the child that decodes uploads needs label spaces, and must not load torch for them
    import numpy as np
    from torch import Tensor

IGNORE_INDEX = 255
"""Class index of a pixel without a label, in every label map inside the core."""

Domain = Literal["source", "target"]
Level = Literal["feature", "prediction"]
Grid = tuple[int, int]  # rows, columns of a feature map


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


@dataclass(frozen=True)
class FeaturePair:
    """What association needs to know of one source and one target image, at the resolution of the features.

    Attributes:
        source_features: (C, h, w).
        target_features: (C, h', w').
        source_labels: (h, w) int64 class indices and 255.
        source_probabilities: (K, h, w) softmax predictions, or None when only features are known.
        target_probabilities: (K, h', w'), or None.
        target_labels: (h', w') int64, or None; used to judge, never to associate.
    """

    source_features: Tensor
    target_features: Tensor
    source_labels: Tensor
    source_probabilities: Tensor | None = None
    target_probabilities: Tensor | None = None
    target_labels: Tensor | None = None

    @property
    def source_size(self) -> tuple[int, int]:
        return tuple(self.source_features.shape[-2:])

    @property
    def target_size(self) -> tuple[int, int]:
        return tuple(self.target_features.shape[-2:])

    def grid(self, side: Domain) -> Grid:
        """Rows and columns of the feature pixels of a side."""
        return self.source_size if side == "source" else self.target_size

    @property
    def source_prediction(self) -> Tensor | None:
        """(h, w) int64, the most probable class of each source pixel; None when only features are known."""
        return None if self.source_probabilities is None else self.source_probabilities.argmax(0)

    @property
    def target_prediction(self) -> Tensor | None:
        """(h', w') int64 likewise."""
        return None if self.target_probabilities is None else self.target_probabilities.argmax(0)


@dataclass(frozen=True)
class Association:
    """Where every source pixel goes, and where it comes back to.

    Pixels are flat, row-major indices into the feature maps. S source pixels, T target pixels, k candidates.

    Attributes:
        target_index: (S,) j*, the associated target pixel.
        return_index: (S,) i*, the source pixel that j* is most similar to.
        forward_prob: (S,) p(j*|i). With thousands of pixels each is tiny: show ``T * p``, a multiple of uniform.
        backward_prob: (S,) p(i*|j*).
        similarity: (S,) D(i, j*): cosine, or −KL in nats.
        margin: (S,) similarity of the first less that of the second candidate; infinite when T = 1.
        is_labelled: (S,) bool.
        is_consistent: (S,) bool: labelled, and the way back ends on the own class (on the very pixel when mutual).
        candidate_index: (S, k) int64, the k most similar target pixels, best first.
        candidate_similarity: (S, k).
        target_return_index: (T,) the most similar source pixel of every target pixel.
        source_size, target_size: (height, width) of the feature maps.
    """

    target_index: Tensor
    return_index: Tensor
    forward_prob: Tensor
    backward_prob: Tensor
    similarity: Tensor
    margin: Tensor
    is_labelled: Tensor
    is_consistent: Tensor
    candidate_index: Tensor
    candidate_similarity: Tensor
    target_return_index: Tensor
    source_size: tuple[int, int]
    target_size: tuple[int, int]

    @property
    def num_target(self) -> int:
        return self.target_size[0] * self.target_size[1]

    @property
    def rate(self) -> float:
        """Cycle-consistency rate: consistent pixels among the labelled source pixels, 0-1."""
        return self.is_consistent.sum().item() / max(self.is_labelled.sum().item(), 1)

    @property
    def coverage(self) -> float:
        """Target pixels that at least one source pixel is associated with, 0-1 of all target pixels."""
        return self.target_index.unique().numel() / self.num_target

    @property
    def consistent_coverage(self) -> float:
        """Target pixels in at least one cycle-consistent association, 0-1: those the loss pulls on directly."""
        return self.target_index[self.is_consistent].unique().numel() / self.num_target

    @property
    def hubness(self) -> Tensor:
        """(T,) int64, in-degree of every target pixel: how many source pixels claim it."""
        return self.target_index.bincount(minlength=self.num_target)

    @property
    def hub_share(self) -> float:
        """Share of source pixels that the 1 % most claimed target pixels take, 0-1; 0.01 when claims are spread evenly."""
        busiest = self.hubness.topk(max(1, self.num_target // 100)).values
        return busiest.sum().item() / len(self.target_index)
