"""Folders of images with or without labels."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pca_core.checks import InputError, exists, shorten
from pca_core.data.classes_file import find_classes_file, find_label_space, read_label_space
from pca_core.data.files import PICTURE_SUFFIXES
from pca_core.data.images import fit_short_side, read_image, resize_image
from pca_core.data.labels import LabelMap, read_label, resize_label
from pca_core.types import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pca_core.types import Domain, LabelSpace

_LAYOUT = "Expected are images/ with PNG, JPEG, TIFF or WebP files and, for labels, labels/ with files of the same stems."


class FolderDataset:
    """The images of ``root/images`` with the label maps of the same stems in ``root/labels``, sorted by stem.

    Images without a label map are kept; their sample has no label. Hidden files are not seen.

    Attributes:
        names: The stems, in order.
        has_labels: Whether at least one of them has a label map.
        label_space: The classes; None when there is no labels folder and no classes.json.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        domain: Domain = "source",
        include: str = "*",
        exclude: str | None = None,
        label_space: LabelSpace | None = None,
        id_map: Mapping[int, int] | None = None,
        unknown: Literal["error", "ignore"] = "error",
        short_side: int | None = None,
    ) -> None:
        """List a folder; pictures are read when they are asked for.

        Args:
            root: Folder with ``images/``, optionally ``labels/``, and ``classes.json`` in it or one level above.
            domain: What the samples say: "source" or "target".
            include: Glob pattern of the stems to take, e.g. ``"0016E5_*"`` for one sequence.
            exclude: Glob pattern of the stems to leave out.
            label_space: The classes, instead of those of classes.json.
            id_map: Raw id -> class index for :func:`read_label`.
            unknown: What :func:`read_label` does with unknown ids.
            short_side: Length in pixels to which the shorter side is scaled (sides become multiples of 8); None keeps
                the size.

        Raises:
            InputError: ``DATASET_NOT_FOUND``, ``DATASET_EMPTY``, ``DATASET_DUPLICATE``, ``DATASET_LABELS``,
                ``DATASET_PATTERN``, ``IMAGE_SIZE``, and the ``CLASSES_`` codes.
        """
        if domain not in ("source", "target"):
            raise ValueError(f"domain must be 'source' or 'target', got {domain!r}.")
        if unknown not in ("error", "ignore"):
            raise ValueError(f"unknown must be 'error' or 'ignore', got {unknown!r}.")
        if short_side is not None:
            fit_short_side(1, 1, short_side)
        self._root, self._domain, self._short_side = Path(root), domain, short_side
        self._id_map, self._unknown = id_map, unknown
        images, labels = _list_images(self._root), _list_labels(self._root)
        if labels is not None and not images.keys() & labels.keys():
            raise InputError(
                "DATASET_LABELS",
                f"No file in {self._root / 'labels'} has the stem of an image: {_show(labels)} against "
                f"{_show(images)}. Rename the label files, or remove the folder.",
            )
        self.names = _select(images, include, exclude, self._root)
        self._images = images
        self._labels = labels or {}
        self.has_labels = any(name in self._labels for name in self.names)
        self.label_space = label_space or self._find_label_space(labels is not None)

    @property
    def root(self) -> Path:
        """The folder that holds ``images/``."""
        return self._root

    def image_path(self, name: str) -> Path:
        """File of the image with this stem.

        Raises:
            KeyError: When ``name`` is not one of :attr:`names`.
        """
        return self._images[name]

    @property
    def labelled_indices(self) -> tuple[int, ...]:
        """Places of the samples that have a label map."""
        return tuple(index for index, name in enumerate(self.names) if name in self._labels)

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
        image = read_image(self._images[name])
        label_map = self._read_label(name, image.shape[:2])
        label = None if label_map is None else label_map.ids
        if self._short_side is not None:
            size = fit_short_side(*image.shape[:2], self._short_side)
            image = resize_image(image, size)
            label = None if label is None else resize_label(label, size)
        return Sample(name, self._domain, image, label, None if label is None else self.label_space)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def _read_label(self, name: str, size: tuple[int, int]) -> LabelMap | None:
        if name not in self._labels or self.label_space is None:
            return None
        return read_label(self._labels[name], self.label_space, id_map=self._id_map, unknown=self._unknown, size=size)

    def _find_label_space(self, is_needed: bool) -> LabelSpace | None:
        if is_needed:
            return find_label_space(self._root)
        path = find_classes_file(self._root)
        return None if path is None else read_label_space(path)


def _list_images(root: Path) -> dict[str, Path]:
    if not exists(root.is_dir):
        raise InputError("DATASET_NOT_FOUND", f"There is no folder {shorten(root)}. Check the path.")
    folder = root / "images"
    if not folder.is_dir():
        raise InputError("DATASET_EMPTY", f"{root} has no folder images/; it holds {_describe_content(root)}. {_LAYOUT}")
    images = _list_pictures(folder)
    if not images:
        raise InputError(
            "DATASET_EMPTY", f"{folder} has no image that can be read; it holds {_describe_content(folder)}. {_LAYOUT}"
        )
    return images


def _list_labels(root: Path) -> dict[str, Path] | None:
    folder = root / "labels"
    return _list_pictures(folder) if folder.is_dir() else None


def _list_pictures(folder: Path) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for path in _list_visible(folder):
        if path.suffix.lower() not in PICTURE_SUFFIXES or not path.is_file():
            continue
        if path.stem in pictures:
            raise InputError(
                "DATASET_DUPLICATE",
                f"{folder} has two files of one stem, {pictures[path.stem].name} and {path.name}. Rename one.",
            )
        pictures[path.stem] = path
    return dict(sorted(pictures.items()))


def _list_visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise InputError("DATASET_NOT_FOUND", f"{folder} cannot be listed. Check its permissions.") from error


def _describe_content(folder: Path) -> str:
    kinds = Counter("folders" if path.is_dir() else f"{path.suffix.lower() or 'other'} files" for path in _list_visible(folder))
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5)) or "nothing"


def _select(images: dict[str, Path], include: str, exclude: str | None, root: Path) -> tuple[str, ...]:
    included = [name for name in images if fnmatchcase(name, include)]
    names = tuple(name for name in included if exclude is None or not fnmatchcase(name, exclude))
    if not names:
        pattern = f"include={include!r} matches no" if not included else f"exclude={exclude!r} leaves no"
        raise InputError(
            "DATASET_PATTERN",
            f"{pattern} image of {root}; there are {_show(images)}. Patterns are compared with the whole stem, e.g. '0016E5_*'.",
        )
    return names


def _show(files: dict[str, Path]) -> str:
    """A few stems, from the whole range, because neighbours in sorted order look alike."""
    names = list(files)
    if not names:
        return "no files"
    shown = names[:: max(1, (len(names) + 2) // 3)]
    return ", ".join(shown) + (f" (of {len(names)})" if len(names) > len(shown) else "")
