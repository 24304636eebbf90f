"""Faces of traffic signs, direction boards and traffic lights."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .canvas import RGB, Canvas, pick, scaled
from .labels import SIGN

FACING = (0.0, 0.5, -0.87)

# Strokes of a few glyphs in a box of 0..1 by 0..1.
GLYPHS = {
    "P": (((0.2, 0.0), (0.2, 1.0), (0.7, 1.0), (0.85, 0.75), (0.7, 0.5), (0.2, 0.5)),),
    "3": (((0.1, 1.0), (0.85, 1.0), (0.45, 0.6), (0.85, 0.4), (0.75, 0.05), (0.1, 0.0)),),
    "5": (((0.85, 1.0), (0.2, 1.0), (0.15, 0.6), (0.7, 0.6), (0.85, 0.3), (0.65, 0.0), (0.1, 0.0)),),
    "0": (((0.5, 1.0), (0.15, 0.8), (0.15, 0.2), (0.5, 0.0), (0.85, 0.2), (0.85, 0.8), (0.5, 1.0)),),
    "S": (((0.9, 1.0), (0.15, 1.0), (0.15, 0.5), (0.85, 0.5), (0.85, 0.0), (0.1, 0.0)),),
    "T": (((0.0, 1.0), (1.0, 1.0)), ((0.5, 1.0), (0.5, 0.0))),
    "O": (((0.15, 0.0), (0.15, 1.0), (0.85, 1.0), (0.85, 0.0), (0.15, 0.0)),),
    "!": (((0.5, 1.0), (0.5, 0.42)), ((0.5, 0.06), (0.5, 0.1))),
    "^": (((0.5, 0.0), (0.5, 1.0)), ((0.1, 0.55), (0.5, 1.0), (0.9, 0.55))),
    "<": (((1.1, 0.5), (0.0, 0.5)), ((0.5, 0.9), (0.0, 0.5), (0.5, 0.1))),
}

PLATES = {
    "round": (24, 0.0, (214, 36, 40), (250, 250, 248), ("30", "50")),
    "blue": (24, 0.0, (240, 244, 250), (30, 90, 190), ("^", "<")),
    "triangle": (3, np.pi / 2, (214, 36, 40), (252, 250, 244), ("!",)),
    "stop": (8, np.pi / 8, (248, 248, 248), (206, 30, 36), ("STOP",)),
    "diamond": (4, 0.0, (40, 38, 36), (250, 186, 30), ("^", "<", "!")),
    "parking": (4, np.pi / 4, (244, 246, 250), (36, 96, 190), ("P",)),
}


@dataclass(frozen=True)
class Plate:
    """Where a face hangs and what it shows."""

    x: float
    z: float
    kind: str
    night: bool

    def at(self, points: np.ndarray, y: float, lift: float) -> np.ndarray:
        """World points of plate points (right, up), ``lift`` metres before the pole."""
        p = np.asarray(points, dtype=np.float64)
        return np.stack([self.x + p[:, 0], y + p[:, 1], np.full(len(p), self.z - lift)], axis=1)

    def box(self, half: float, low: float, high: float, lift: float) -> np.ndarray:
        """World corners of an upright box."""
        return self.at(np.array([(-half, low), (half, low), (half, high), (-half, high)]), 0.0, lift)


def _write(canvas: Canvas, plate: Plate, text: str, box: tuple[float, float, float], ink: RGB) -> None:
    """Write strokes; box = (height of the centre, letter width, letter height)."""
    if canvas.camera.mirror or canvas.camera.pixels(box[1], plate.z) < 2:
        return
    y, wide, tall = box
    shaded = canvas.light.shade(ink, plate.z, FACING)
    start = -wide * (len(text) * 1.25 - 0.25) / 2
    for i, glyph in enumerate(text):
        for line in GLYPHS[glyph]:
            points = np.array(line) * [wide, tall] + [start + i * wide * 1.25, -tall / 2]
            world = plate.at(points, y, 0.09)
            for pair in pairwise(world):
                canvas.capsule(np.array(pair), (0.15 * wide + 0.012,) * 2, shaded, SIGN)


def draw_plate(canvas: Canvas, plate: Plate, rng: np.random.Generator) -> None:
    """A round, triangular, eight-sided, diamond or square sign."""
    corners, turn, rim, face, texts = PLATES[plate.kind]
    r = float(rng.uniform(0.48, 0.60))
    y = 2.55 if plate.kind != "triangle" else 2.42
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + turn
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = 0.88 if plate.kind in ("stop", "blue", "parking", "diamond") else 0.72
    canvas.paint(plate.at(ring * r, y, 0.06), rim, SIGN, FACING)
    canvas.paint(plate.at(ring * r * inner, y, 0.07), face, SIGN, FACING)
    ink = (250, 250, 250) if sum(face) < 400 else (30, 30, 34)
    text = str(rng.choice(texts))
    wide = {1: 0.42, 2: 0.36, 4: 0.30}[len(text)] * r
    tall = {1: 0.8, 2: 0.62, 4: 0.5}[len(text)] * r
    if plate.kind == "triangle":
        tall *= 0.8
    _write(canvas, plate, text, (y, wide, tall), ink)


def draw_board(canvas: Canvas, plate: Plate, rng: np.random.Generator) -> None:
    """A direction board with an arrow and lines of writing."""
    options = ((30, 104, 78), (48, 78, 128)) if plate.night else ((28, 84, 176), (30, 120, 84), (244, 246, 246))
    rgb = pick(rng, options)
    ink = (250, 250, 250) if sum(rgb) < 500 else (30, 34, 44)
    canvas.paint(plate.box(0.95, 1.85, 2.95, 0.06), ink, SIGN, FACING)
    canvas.paint(plate.box(0.89, 1.91, 2.89, 0.07), rgb, SIGN, FACING)
    for y in (2.16, 2.58):
        start, end = -0.72, float(rng.uniform(-0.1, 0.42))
        line = plate.at(np.array([(start, 0.0), (end, 0.0)]), y, 0.09)
        canvas.capsule(line, (0.07, 0.07), canvas.light.shade(ink, plate.z, FACING), SIGN)
    shifted = Plate(plate.x + 0.66, plate.z, plate.kind, plate.night)
    _write(canvas, shifted, str(rng.choice(["^", "<"])), (2.4, 0.26, 0.62), ink)


def draw_light(canvas: Canvas, plate: Plate, rng: np.random.Generator) -> None:
    """A traffic light with one lamp lit."""
    on = int(rng.integers(3))
    shell = (190, 160, 50) if plate.night else (236, 232, 214)
    canvas.paint(plate.box(0.33, 2.23, 3.57, 0.10), shell, SIGN, FACING)
    canvas.paint(plate.box(0.26, 2.30, 3.50, 0.11), (30, 32, 34), SIGN, FACING)
    for i, rgb in enumerate(((250, 52, 44), (252, 190, 50), (60, 220, 110))):
        centre = np.array([plate.x, 3.28 - 0.38 * i, plate.z - 0.15])
        glow = 255 if i == on and plate.night else 0
        canvas.disc(centre, 0.155, rgb if i == on else scaled(rgb, 0.28), SIGN, glow)
