"""A page of pictures that shows what a data set holds: images above their coloured labels, and the legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pca_core.data import colorize, resize_image, resize_label
from pca_core.data.label_spaces import UNLABELLED_RGB
from pca_core.types import LabelSpace, Sample

INK, QUIET, PAPER = (31, 41, 55), (107, 114, 128), (255, 255, 255)
MARGIN, GAP, TILE_WIDTH, COLUMNS = 28, 12, 300, 4
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 24, 15, 13
SWATCH, ROW, BAR = 16, 26, 56  # pixels: colour patch, line of the legend, longest frequency bar


def draw_preview(
    samples: Sequence[Sample], space: LabelSpace | None, frequencies: Sequence[float], title: str, subtitle: str
) -> np.ndarray:
    """Draw a contact sheet.

    Args:
        samples: The first few; images of any size.
        space: Classes for the legend, or None when there are no labels.
        frequencies: (K,) parts of the labelled pixels; the legend lists those that occur, largest first.
        title, subtitle: One line each.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    columns = max(2, -(-len(samples) // -(-len(samples) // COLUMNS)))  # as few rows as fit, filled evenly
    width = 2 * MARGIN + columns * TILE_WIDTH + (columns - 1) * GAP
    strips = [_draw_row(samples[start : start + columns], space, width) for start in range(0, len(samples), columns)]
    head = _draw_head(title, subtitle, width)
    foot = [] if space is None else [_draw_legend(space, frequencies, width)]
    return np.concatenate([np.asarray(part) for part in (head, *strips, *foot)])


def _page(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("RGB", (width, height), PAPER)
    return page, ImageDraw.Draw(page)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _draw_head(title: str, subtitle: str, width: int) -> Image.Image:
    page, draw = _page(width, 96)
    draw.text((MARGIN, 22), _fit(title, width - 2 * MARGIN, TITLE_SIZE), INK, _font(TITLE_SIZE))
    draw.text((MARGIN, 58), _fit(subtitle, width - 2 * MARGIN, TEXT_SIZE), QUIET, _font(TEXT_SIZE))
    return page


def _draw_row(samples: Sequence[Sample], space: LabelSpace | None, width: int) -> Image.Image:
    heights = [round(sample.image.shape[0] * TILE_WIDTH / sample.image.shape[1]) for sample in samples]
    tall = max(1, *heights)
    has_labels = space is not None and any(sample.label is not None for sample in samples)
    page, draw = _page(width, (2 * tall + 3 if has_labels else tall) + SMALL_SIZE + 22)
    for place, (sample, height) in enumerate(zip(samples, heights, strict=True)):
        left, size = MARGIN + place * (TILE_WIDTH + GAP), (max(1, height), TILE_WIDTH)
        page.paste(Image.fromarray(resize_image(sample.image, size)), (left, 0))
        if has_labels:
            page.paste(_label_tile(sample, space, size), (left, tall + 3))
        bottom = page.height - SMALL_SIZE - 16
        draw.text((left, bottom), _fit(sample.name, TILE_WIDTH, SMALL_SIZE, keep_end=True), QUIET, _font(SMALL_SIZE))
    return page


def _label_tile(sample: Sample, space: LabelSpace, size: tuple[int, int]) -> Image.Image:
    if sample.label is not None:
        return Image.fromarray(colorize(resize_label(sample.label, size), space))
    tile = Image.new("RGB", size[::-1], (243, 244, 246))
    ImageDraw.Draw(tile).text((TILE_WIDTH / 2, size[0] / 2), "no label", QUIET, _font(TEXT_SIZE), anchor="mm")
    return tile


def _draw_legend(space: LabelSpace, frequencies: Sequence[float], width: int) -> Image.Image:
    order = [index for index in sorted(range(space.num_classes), key=lambda index: -frequencies[index]) if frequencies[index]]
    columns = max(1, (width - 2 * MARGIN + GAP) // (TILE_WIDTH + GAP))
    rows = -(-(len(order) + 1) // columns)
    page, draw = _page(width, rows * ROW + MARGIN + 14)
    largest = max(frequencies)
    draw.line((MARGIN, 2, width - MARGIN, 2), (229, 231, 235))
    for place, index in enumerate([*order, None]):
        x, y = MARGIN + place // rows * (TILE_WIDTH + GAP), 18 + place % rows * ROW
        colour = UNLABELLED_RGB if index is None else space.palette[index]
        draw.rectangle((x, y, x + SWATCH, y + SWATCH), colour)
        name = "no label" if index is None else space.class_names[index]
        draw.text((x + SWATCH + 9, y - 1), _fit(name, 140, TEXT_SIZE, keep_end=True), INK, _font(TEXT_SIZE))
        if index is not None:
            length = max(1, round(BAR * frequencies[index] / largest))
            draw.rectangle((x + 174, y + 4, x + 174 + length, y + 12), colour)
            draw.text((x + 174 + length + 7, y), f"{frequencies[index]:.1%}", QUIET, _font(SMALL_SIZE))
    return page


def _fit(text: str, width: int, size: int, keep_end: bool = False) -> str:
    """The text, cut to a width in pixels: at its end, or at its beginning where the end tells more."""
    font, cut = _font(size), text
    while len(cut) > 1 and font.getlength(("…" if cut != text else "") + cut) > width:
        cut = cut[1:] if keep_end else cut[:-1]
    if cut == text:
        return text
    return f"…{cut}" if keep_end else f"{cut}…"
