"""What the linked images show: panes, layers, markers, links; and what a click tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Side = Literal["source", "target"]
MarkerKind = Literal["query", "match", "return", "candidate", "claim", "probe"]
LinkKind = Literal["forward", "backward", "candidate", "claim", "lead"]
Swatch = tuple[str, tuple[int, int, int]]

SIDES: tuple[Side, Side] = ("source", "target")
UNLABELLED = 255
"""Value of a class map that means "no label"; never drawn as a class."""

VIRIDIS: np.ndarray = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[np.newaxis], cv2.COLORMAP_VIRIDIS)[0, :, ::-1].copy()
"""(256, 3) uint8 RGB, dark violet to yellow; readable for colour-blind people and in grey."""


@dataclass(frozen=True, eq=False)
class ImagePane:
    """One of the two images.

    Attributes:
        title: Shown above the image, as plain text.
        image: (H, W, 3) uint8, RGB.
        grid: Rows and columns of feature pixels.
        class_ids: (h, w) uint8 class index per feature pixel for the hover text, 255 for unlabelled; None to say none.
        class_names: Name of each class index in ``class_ids``.
    """

    title: str
    image: np.ndarray
    grid: tuple[int, int]
    class_ids: np.ndarray | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"Pane {self.title!r} needs an (H, W, 3) uint8 RGB image, got {self.image.shape} {self.image.dtype}."
            )
        if len(self.grid) != 2 or min(self.grid) < 1:
            raise ValueError(f"Pane {self.title!r} needs a grid of (rows, columns), each at least 1, got {self.grid}.")
        if self.class_ids is not None and (self.class_ids.shape != self.grid or self.class_ids.dtype != np.uint8):
            raise ValueError(
                f"class_ids of pane {self.title!r} must be uint8 with one id per feature pixel {self.grid}, "
                f"got {self.class_ids.shape} {self.class_ids.dtype}. Resize the label map to the grid first."
            )


@dataclass(frozen=True, eq=False)
class Layer:
    """A map of small integers that the browser colours and lays over one image.

    Attributes:
        name: Identifies the layer, e.g. in ``active_layer``. One name may exist on both sides.
        title: Text of its button.
        side: Which image it covers.
        values: (h, w) uint8; any size, stretched over the image without smoothing. None keeps the place of its button, disabled,
            where the layer means nothing: so that no button moves from one picture to the next.
        palette: (256, 3) uint8 RGB colour of each value; None is viridis.
        alpha: (256,) uint8 opacity of each value, e.g. 0 where ignored; None is opaque everywhere.
        legend: Two texts with units for the ends of a colour bar, or (label, RGB) swatches for a class map.
        value_range: What the values 0 and 255 stand for, to tell the value under the cursor. None tells nothing.
        value_names: What each value is called, for class maps, to tell the class under the cursor.
        reason: Why there are no values, for the disabled button.
    """

    name: str
    title: str
    side: Side
    values: np.ndarray | None
    palette: np.ndarray | None = None
    alpha: np.ndarray | None = None
    legend: tuple[str, str] | tuple[Swatch, ...] = ()
    value_range: tuple[float, float] | None = None
    value_names: tuple[str, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise ValueError(f"Layer {self.name!r} needs side 'source' or 'target', got {self.side!r}.")
        if self.values is not None and (self.values.ndim != 2 or self.values.dtype != np.uint8 or not self.values.size):
            raise ValueError(
                f"Layer {self.name!r} needs (h, w) uint8 values, got {self.values.shape} {self.values.dtype}. "
                "Scale floats to 0-255 first and name the range in the legend."
            )
        for field, shape in (("palette", (256, 3)), ("alpha", (256,))):
            table = getattr(self, field)
            if table is not None and (table.shape != shape or table.dtype != np.uint8):
                raise ValueError(f"The {field} of layer {self.name!r} must be {shape} uint8, got {table.shape} {table.dtype}.")

    @property
    def is_class_map(self) -> bool:
        """Whether the legend is swatches rather than a colour bar."""
        return bool(self.legend) and not isinstance(self.legend[0], str)


@dataclass(frozen=True)
class Marker:
    """A highlighted feature pixel; ``index`` is row-major in the grid of its side, ``label`` a short text.

    A ``probe`` has a ``colour`` of its own, ``#rrggbb``; the other kinds take that of their arrow.
    """

    side: Side
    index: int
    kind: MarkerKind
    label: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Link:
    """An arrow between two feature pixels, each given as (side, index).

    Kinds: ``forward`` and ``backward`` make the cycle; ``claim`` comes from a source pixel that chose the target pixel;
    ``candidate`` and ``lead`` judge nothing and are neutral: another choice, and a way back that closes no cycle.
    """

    start: tuple[Side, int]
    end: tuple[Side, int]
    kind: LinkKind
    consistent: bool


@dataclass(frozen=True, eq=False)
class LineSet:
    """Thousands of thin lines from source to target pixels, drawn by the browser into a picture of their own.

    The line of a hovered or pinned pixel stands out; the others fade.

    Attributes:
        source_index, target_index: (M,) flat feature pixels, the ends of each line.
        colour_index: (M,) uint8, place of each line's colour in ``palette``.
        palette: (name, RGB) of each colour, at most 256; the key names those in use.
        opacity: Of one line, 0-1.

    Raises:
        ValueError: On arrays of different length or a colour outside the palette.
    """

    source_index: np.ndarray
    target_index: np.ndarray
    colour_index: np.ndarray
    palette: tuple[Swatch, ...]
    opacity: float = 0.35

    def __post_init__(self) -> None:
        lengths = {len(self.source_index), len(self.target_index), len(self.colour_index)}
        if len(lengths) > 1:
            raise ValueError(f"LineSet needs arrays of one length, got {sorted(lengths)}.")
        if len(self.colour_index) and int(np.max(self.colour_index)) >= len(self.palette):
            raise ValueError(f"LineSet has {len(self.palette)} colours, got colour {int(np.max(self.colour_index))}.")

    def __len__(self) -> int:
        return len(self.source_index)


@dataclass(frozen=True)
class RegionEvent:
    """A rectangle of feature pixels that a person drew with Shift held down; last row and column included."""

    side: Side
    first_row: int
    first_column: int
    last_row: int
    last_column: int
    serial: int


@dataclass(frozen=True)
class PixelEvent:
    """A feature pixel that a person chose; ``serial`` differs from click to click."""

    side: Side
    index: int
    serial: int
