"""Reads the images and labels of a listing, whatever its layout."""

from __future__ import annotations

import copy
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pca_core.checks import InputError
from pca_core.data.classes_file import find_classes_file, find_label_space, read_label_space
from pca_core.data.images import content_hash, fit_short_side, read_image, resize_image
from pca_core.data.label_maps import resize_label
from pca_core.data.labels import LabelMap, read_label
from pca_core.data.layouts import Listing, list_folder, show
from pca_core.types import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pca_core.types import Domain, LabelSpace


class FolderDataset:
    """Images with or without label maps, read when they are asked for.

    Given a folder: the images of ``root/images`` with the label maps of the same stems in ``root/labels``, sorted by stem.
    Other layouts come as a :class:`~pca_core.data.layouts.Listing`; :func:`pca_core.data.open_dataset` makes one.
    Images without a label map are kept; their sample has no label. Hidden files are not seen.

    Attributes:
        listing: The files.
        names: Names of the images, in order: stems, in some layouts with the folders before them ("ulm/ulm_000001_000019").
        has_labels: Whether at least one of them has a label map.
        label_space: The classes; None when there are no labels and nothing that names classes.
    """

    def __init__(
        self,
        root: str | Path | Listing,
        *,
        domain: Domain = "source",
        include: str = "*",
        exclude: str | Sequence[str] | None = None,
        label_space: LabelSpace | None = None,
        id_map: Mapping[int, int] | None = None,
        unknown: Literal["error", "ignore"] = "error",
        short_side: int | None = None,
    ) -> None:
        """Choose from a listing, or list a plain folder first.

        Args:
            root: Folder with ``images/``, optionally ``labels/``, and ``classes.json`` in it or one level above; or a listing.
            domain: What the samples say: "source" or "target".
            include: Glob pattern of the names to take, e.g. ``"0016E5_*"`` for one sequence.
            exclude: Glob pattern or patterns of the names to leave out.
            label_space: The classes, instead of those of classes.json or of the layout.
            id_map: Raw id -> class index for :func:`read_label`; None takes what the layout says.
            unknown: What :func:`read_label` does with unknown ids.
            short_side: Length in pixels to which the shorter side is scaled (sides become multiples of 8); None keeps
                the size.

        Raises:
            InputError: ``DATASET_NOT_FOUND``, ``DATASET_EMPTY``, ``DATASET_DUPLICATE``, ``DATASET_LABELS``,
                ``DATASET_PATTERN``, ``IMAGE_SIZE``, and the ``CLASSES_`` codes, ``CLASSES_UNMAPPED`` among them.
        """
        if domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target', got {domain!r}.")
        if unknown not in ("error", "ignore"):
            raise ValueError(f"unknown must be 'error' or 'ignore', got {unknown!r}.")
        if short_side is not None:
            fit_short_side(1, 1, short_side)
        self.listing = root if isinstance(root, Listing) else list_folder(Path(root))
        self._domain, self._short_side, self._unknown = domain, short_side, unknown
        self.names = _select(self.listing, include, exclude)
        self.has_labels = any(name in self.listing.labels for name in self.names)
        self.label_space = label_space or self.listing.label_space or self._find_label_space()
        self._id_map = self.listing.make_id_map(self.label_space) if id_map is None else id_map

    @property
    def root(self) -> Path:
        """The folder that was listed."""
        return self.listing.root

    def image_path(self, name: str) -> Path:
        """File of the image of this name.

        Raises:
            KeyError: When ``name`` is not one of :attr:`names`.
        """
        return self.listing.images[name]

    @property
    def labelled_indices(self) -> tuple[int, ...]:
        """Places of the samples that have a label map."""
        return tuple(index for index, name in enumerate(self.names) if name in self.listing.labels)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample.

        Args:
            index: 0 to ``len - 1``, or negative from the end.

        Returns:
            The image and, if there is one, its label map, both scaled to ``short_side``.

        Raises:
            InputError: What :func:`read_image` and :func:`read_label` raise, ``LABEL_SIZE`` when the two sizes differ.
            IndexError: Beyond the end.
        """
        name = self.names[index]
        image = read_image(self.listing.images[name])
        label_map = self.read_label(name, size=image.shape[:2], unknown=self._unknown)
        label = None if label_map is None else label_map.ids
        if self._short_side is not None:
            size = fit_short_side(*image.shape[:2], self._short_side)
            image = resize_image(image, size)
            label = None if label is None else resize_label(label, size)
        return Sample(name, self._domain, image, label, None if label is None else self.label_space)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    @property
    def fingerprint(self) -> str:
        """Changes when an image or label file comes, goes, or is written anew; files are not read."""
        lines = []
        for name in self.names:
            files = [self.listing.images[name], self.listing.labels.get(name)]
            stamps = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file is not None]
            lines.append(f"{name} {stamps}")
        return content_hash("\n".join(lines).encode())

    def subset(self, names: Sequence[str], *, is_labelled: bool = True) -> FolderDataset:
        """The same data set with only these images; without their labels, which then cannot be read, if not ``is_labelled``."""
        part = copy.copy(self)
        part.names = tuple(names)
        images = {name: self.listing.images[name] for name in part.names}
        labels = {name: path for name, path in self.listing.labels.items() if is_labelled and name in images}
        part.listing = replace(self.listing, images=images, labels=labels)
        part.has_labels = bool(labels)
        return part

    def read_label(
        self, name: str, *, size: tuple[int, int] | None = None, unknown: Literal["error", "ignore"] = "error"
    ) -> LabelMap | None:
        """Read the label map of one image at its own size; None when it has none. Arguments as in :func:`read_label`."""
        path = self.listing.labels.get(name)
        if path is None or self.label_space is None:
            return None
        return read_label(path, self.label_space, id_map=self._id_map, unknown=unknown, size=size)

    def _find_label_space(self) -> LabelSpace | None:
        if self.listing.labels:
            return find_label_space(self.root)
        path = find_classes_file(self.root)
        return None if path is None else read_label_space(path)


def _select(listing: Listing, include: str, exclude: str | Sequence[str] | None) -> tuple[str, ...]:
    patterns = [exclude] if isinstance(exclude, str) else list(exclude or ())
    included = [name for name in listing.images if fnmatchcase(name, include)]
    names = tuple(name for name in included if not any(fnmatchcase(name, pattern) for pattern in patterns))
    if not names:
        pattern = f"include={include!r} matches no" if not included else f"exclude={', '.join(map(repr, patterns))} leaves no"
        raise InputError(
            "DATASET_PATTERN",
            f"{pattern} image of {listing.root}; there are {show(listing.images)}. "
            "Patterns are compared with the whole name, e.g. '0016E5_*'.",
        )
    return names
