"""The same place of an image on feature maps of different sizes, as nets of another stride or image size have them."""

from __future__ import annotations

import numpy as np

Grid = tuple[int, int]  # rows, columns


def move_pixel(index: int, old: Grid, new: Grid) -> int:
    """The feature pixel of ``new`` that holds the centre of a feature pixel of ``old``.

    Args:
        index: Flat index on ``old``, row-major.

    Returns:
        Flat index on ``new``.

    Raises:
        ValueError: On an index outside ``old``.
    """
    if not 0 <= index < old[0] * old[1]:
        raise ValueError(f"index must lie on a map of {old[0]} × {old[1]} feature pixels, got {index}.")
    row, column = (_centres(size, other)[place] for size, other, place in zip(old, new, divmod(index, old[1]), strict=True))
    return int(row) * new[1] + int(column)


def move_map(values: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """(h·w) values on ``new`` as (h'·w') values on ``old``: each pixel of ``old`` has what stands where its centre lies."""
    rows, columns = (_centres(size, other) for size, other in zip(old, new, strict=True))
    return values.reshape(new)[np.ix_(rows, columns)].ravel()


def _centres(size: int, other: int) -> np.ndarray:
    """Places, on an axis of ``other`` pixels, of the centres of the pixels of an axis of ``size``."""
    return (2 * np.arange(size) + 1) * other // (2 * size)
