"""The last few images with what the net made of them: one that comes again costs no second pass."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from pca_core.association.pair import Borrowed
from pca_core.data import read_image, read_label, resize_label
from pca_core.inference import Segmentation, segment
from pca_core.many.pair_list import ImageFile
from pca_core.models import Checkpoint


@dataclass(frozen=True, eq=False)
class SeenImage:
    """One image as pairs need it.

    Attributes:
        segmentation: See :func:`~pca_core.inference.segment`.
        label: (h, w) uint8 at the resolution of the features, or None.
        picture: (H, W, 3) uint8 RGB; None unless pictures are drawn.
        borrowed: What its pixels borrow as a target, kept for the next pair.
    """

    segmentation: Segmentation
    label: np.ndarray | None
    picture: np.ndarray | None
    borrowed: Borrowed = field(default_factory=dict)


class ImageCache:
    """Segments images and keeps the last few, so that memory depends on how many those are and not on how many there were.

    Args:
        checkpoint: The net.
        most: Images to keep.
        unknown: What reading a label does with unknown ids.
        with_pictures: Whether their pixels are kept too.
    """

    def __init__(
        self, checkpoint: Checkpoint, most: int, unknown: Literal["error", "ignore"] = "error", *, with_pictures: bool = False
    ) -> None:
        self._checkpoint, self._most, self._unknown, self._with_pictures = checkpoint, most, unknown, with_pictures
        self._kept: OrderedDict[tuple[Path, Path | None], SeenImage] = OrderedDict()
        self.num_passes = 0

    def see(self, file: ImageFile) -> SeenImage:
        """The image, read and segmented unless it is one of the last few.

        Raises:
            InputError: What :func:`~pca_core.data.read_image` and :func:`~pca_core.data.read_label` raise.
        """
        key = (file.image, file.label)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        while len(self._kept) >= self._most:  # first: the next one needs the room
            self._kept.popitem(last=False)
        seen = self._kept[key] = self._read(file)
        return seen

    def _read(self, file: ImageFile) -> SeenImage:
        picture = read_image(file.image)
        label = None
        if file.label is not None:
            space = file.space or self._checkpoint.label_space
            label = read_label(file.label, space, id_map=file.id_map, unknown=self._unknown, size=picture.shape[:2]).ids
        seen = segment(self._checkpoint, picture)
        self.num_passes += 1
        small = None if label is None else resize_label(label, tuple(seen.features.shape[-2:]))
        return SeenImage(seen, small, picture if self._with_pictures else None)
