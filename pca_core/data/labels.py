"""Label files: from whatever one holds to class indices 0 .. K-1 and 255."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pca_core.checks import InputError
from pca_core.data.files import OpenedPicture, decoding, open_checked, read_16_bit, turn_upright
from pca_core.data.label_maps import resize_label
from pca_core.types import IGNORE_INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pca_core.types import LabelSpace

_SHOWN_IDS, _MOST_IDS = 5, 65536
_GREY_STEP = {2: 85, 4: 17}  # Pillow stretches 2- and 4-bit grey to 0-255: id 1 would arrive as 85 or 17


@dataclass(frozen=True)
class LabelMap:
    """A label file that was read.

    Attributes:
        ids: (H, W) uint8, class indices and 255 for pixels without a label.
        unknown: Raw id (``0xRRGGBB`` for a colour map) -> number of pixels that became 255 because no class has it.
    """

    ids: np.ndarray
    unknown: dict[int, int]


def read_label(
    source: str | Path | bytes,
    space: LabelSpace,
    *,
    id_map: Mapping[int, int] | None = None,
    further_ids: Mapping[int, int] | None = None,
    unknown: Literal["error", "ignore"] = "error",
    size: tuple[int, int] | None = None,
    wrong_size: Literal["error", "nearest"] = "error",
    name: str | None = None,
) -> LabelMap:
    """Read a PNG or TIFF label map as class indices, and count the ids that stand for none.

    Palette files are read as indices whatever their colours, grey files (1 to 32 bits) as ids. 8-bit RGB files are matched
    exactly against ``space.palette``. Of 16-bit RGB files red holds the ids, as in SYNTHIA, whose green numbers the instances.

    Args:
        source: A path, or the bytes of the file.
        space: The classes; its ``ignore_index`` and 255 both mean "no label".
        id_map: Raw id -> class index or 255, e.g. ``ID_MAPS["cityscapes-19"]["label_ids"]``; without it ids are class
            indices already. For an 8-bit RGB file it adds colours ``0xRRGGBB`` to the palette.
        further_ids: More of the same, beside ``id_map`` or the class indices.
        unknown: Whether ids that stand for nothing are refused, or become 255 and are counted.
        size: (height, width) in pixels that the map must have; ``wrong_size``: another is refused, or resized by
            :func:`resize_label`.
        name: How to call it in a message; None takes the file's name.

    Raises:
        InputError: ``LABEL_LOSSY`` (JPEG, WebP), ``LABEL_FORMAT``, ``LABEL_SIZE``, ``LABEL_ID_MAP``, ``LABEL_UNKNOWN_IDS``,
            and the ``IMAGE_`` codes of :func:`pca_core.data.read_image`. ValueError for another ``unknown`` or ``wrong_size``.
    """
    if unknown not in ("error", "ignore") or wrong_size not in ("error", "nearest"):
        raise ValueError(f"unknown is 'error' or 'ignore', wrong_size 'error' or 'nearest', got {unknown!r} and {wrong_size!r}.")
    opened = open_checked(source, name=name)
    _refuse_lossy(opened)
    raw, is_colour = _read_raw(opened)
    is_of_size = size is None or raw.shape == tuple(size)
    if not is_of_size and wrong_size == "error":
        raise InputError(
            "LABEL_SIZE",
            f"{opened.name} must have the size of its image, {size[0]} × {size[1]} (height × width), but has "
            f"{raw.shape[0]} × {raw.shape[1]}. Use the label map of this very image.",
        )
    label_map = _translate(raw, _id_table(space, id_map, further_ids, is_colour), opened.name)
    if label_map.unknown and unknown == "error":
        raise InputError("LABEL_UNKNOWN_IDS", _describe_unknown(opened.name, space, label_map.unknown, is_colour))
    return label_map if is_of_size else LabelMap(resize_label(label_map.ids, size), label_map.unknown)


def _refuse_lossy(opened: OpenedPicture) -> None:
    if opened.file_format in ("JPEG", "WEBP") or opened.picture.info.get("compression") == "jpeg":
        raise InputError(
            "LABEL_LOSSY",
            f"{opened.name} is in a lossy format (JPEG, WebP, JPEG in TIFF), which may change ids. Export labels as PNG.",
        )


def _read_raw(opened: OpenedPicture) -> tuple[np.ndarray, bool]:
    """(H, W) ids as the file has them, upright, and whether they are colours packed as 0xRRGGBB."""
    picture = opened.picture
    if opened.is_white_zero or picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "I;16B", "I;16L"):
        raise InputError(
            "LABEL_FORMAT",
            f"{opened.name} must hold a palette, whole-number grey or RGB, but has mode {picture.mode}"
            f"{', white as zero' if opened.is_white_zero else ''}. Save the label map as 8-bit PNG.",
        )
    is_deep_colour = opened.depth == 16 and picture.mode in ("RGB", "RGBA")  # Pillow makes RGBA of grey and alpha, too
    with decoding(opened.name):
        pixels = read_16_bit(opened) if is_deep_colour else np.asarray(picture)
        pixels = turn_upright(pixels, opened.orientation)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        raise InputError(
            "LABEL_FORMAT", f"{opened.name} has transparent pixels, which name no class. Save it without transparency."
        )
    if pixels.ndim == 2:
        return pixels // _GREY_STEP.get(opened.depth, 1) if picture.mode == "L" else pixels, False
    if is_deep_colour or pixels.shape[2] == 2:
        return pixels[..., 0], False
    return _pack_colours(pixels), True


def _pack_colours(pixels: np.ndarray) -> np.ndarray:
    packed = pixels[..., 0].astype(np.uint32)
    for channel in (1, 2):  # in place: 40 megapixels are 160 MB
        packed <<= 8
        packed |= pixels[..., channel]
    return packed


def _id_table(
    space: LabelSpace, id_map: Mapping[int, int] | None, further_ids: Mapping[int, int] | None, is_colour: bool
) -> dict[int, int]:
    """Raw id or packed colour -> class index or 255."""
    further_ids = dict(further_ids or {})
    wrong = [index for index in ((id_map or {}) | further_ids).values() if index not in (*range(space.num_classes), IGNORE_INDEX)]
    if wrong:
        raise InputError(
            "LABEL_ID_MAP",
            f"id_map must lead to class indices of {space.name} (0 to {space.num_classes - 1}) or to {IGNORE_INDEX}, "
            f"got {wrong[0]}. Correct that entry.",
        )
    if is_colour:
        table = {red << 16 | green << 8 | blue: index for index, (red, green, blue) in enumerate(space.palette)}
        if len(table) < space.num_classes:
            raise InputError(
                "CLASSES_PALETTE",
                f"Label space {space.name} gives one colour to several classes. Use label files with ids instead.",
            )
        return table | dict(id_map or {}) | further_ids
    table = dict(id_map) if id_map is not None else {index: index for index in range(space.num_classes)}
    return {IGNORE_INDEX: IGNORE_INDEX, space.ignore_index: IGNORE_INDEX} | table | further_ids


def _translate(raw: np.ndarray, table: Mapping[int, int], name: str) -> LabelMap:
    values, counts = np.unique(raw, return_counts=True)
    if len(values) > _MOST_IDS:
        raise InputError(
            "LABEL_FORMAT",
            f"{name} has {len(values):,} different values, like a photograph. Use the label file of this image.",
        )
    indices = np.array([table.get(int(value), IGNORE_INDEX) for value in values], np.uint8)
    unknown = {int(v): int(n) for v, n in zip(values, counts, strict=True) if int(v) not in table}
    ids = np.empty(raw.shape, np.uint8)
    for row, raw_row in zip(ids, raw, strict=True):  # by rows: searchsorted answers with 8 bytes a pixel
        row[:] = indices[np.searchsorted(values, raw_row)]
    return LabelMap(ids, unknown)


def _describe_unknown(name: str, space: LabelSpace, unknown: Mapping[int, int], is_colour: bool) -> str:
    shown = [
        f"{f'#{raw:06x}' if is_colour else raw} ({count} pixel{'s' * (count != 1)})"
        for raw, count in sorted(unknown.items(), key=lambda item: -item[1])[:_SHOWN_IDS]
    ]
    more = f" and {len(unknown) - len(shown)} more" if len(unknown) > len(shown) else ""
    return (
        f"{name} has {'colours' if is_colour else 'ids'} that are no class of {space.name} ({space.num_classes} classes, "
        f"{space.ignore_index} = no label): {', '.join(shown)}{more}. Translate them, "
        "or leave these pixels without a label (--ignore-unknown on the command line, a button in the app)."
    )
