"""What a figure is drawn from, for who wants to go on from its numbers: arrays, and tables of plain columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pca_core.types import LabelSpace


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of plain values.

    Attributes:
        meaning: What a row is, for people, in one line.
        columns: Name → values, as many in each; None and NaN where nothing is known.

    Raises:
        ValueError: When columns differ in length.
    """

    meaning: str
    columns: Mapping[str, Sequence | np.ndarray]

    def __post_init__(self) -> None:
        if len({len(values) for values in self.columns.values()}) > 1:
            told = ", ".join(f"{name} {len(values)}" for name, values in self.columns.items())
            raise ValueError(f"Columns of a table must have the same length, got {told}.")


@dataclass(frozen=True, eq=False)
class FigureData:
    """Arrays and tables of one figure.

    Attributes:
        meaning: Of the arrays with their shapes, for people, in one line; (h, w) is the source's grid of features, (h', w') the
            target's.
        arrays: By name.
        tables: By name: that of the figure, further ones beginning with it.
    """

    meaning: str = ""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)


def name_classes(space: LabelSpace, classes: np.ndarray) -> list[str]:
    """Class names; empty where there is no class."""
    names = space.class_names
    return [names[one] if one < len(names) else "" for one in classes.tolist()]


def split_pixels(index: np.ndarray, grid: tuple[int, int]) -> dict[str, np.ndarray]:
    """``row`` and ``column`` of flat feature pixels, as columns of a table."""
    row, column = np.divmod(index, grid[1])
    return {"row": row, "column": column}
