"""The same place of an image on feature maps of different sizes, as nets of another stride or image size have them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from pca_core.types import Grid

Place = TypeVar("Place", int, np.ndarray)


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
    row, column = (_move(place, *sizes) for place, *sizes in zip(divmod(index, old[1]), old, new, strict=True))
    return row * new[1] + column


def move_map(values: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """(h·w) values on ``new`` as (h'·w') values on ``old``: each pixel of ``old`` has what stands where its centre lies."""
    rows, columns = (_move(np.arange(size), size, other) for size, other in zip(old, new, strict=True))
    return values.reshape(new)[np.ix_(rows, columns)].ravel()


def _move(place: Place, old: int, new: int) -> Place:
    """The place on an axis of ``new`` pixels where the centre of a pixel on one of ``old`` lies."""
    return (2 * place + 1) * new // (2 * old)
