"""Buildings: façade textures mapped in perspective, end walls, roofs, awnings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .canvas import RGB, Canvas, mix, pick, scaled, vary
from .facades import Wall, draw_facade
from .labels import BUILDING
from .style import Style


@dataclass(frozen=True)
class Building:
    """A house beside the street: its façade runs from ``z0`` to ``z1`` at ``x``."""

    style: Style
    seed: int
    x: float
    z0: float
    z1: float
    floors: int
    kind: str
    roof: str
    front: float = 0.0

    @property
    def depth(self) -> float:
        """Far end: whatever stands in front of the façade is drawn later."""
        return self.z1

    @property
    def eaves(self) -> float:
        """Height of the façade."""
        return 3.9 + 3.1 * (self.floors - 1)

    def hulls(self) -> list[np.ndarray]:
        """Volumes that cast shadows."""
        side = 1 if self.x > 0 else -1
        corners = [(x, y, z) for x in (self.x, self.x + side * 8) for y in (0.6, self.eaves + 1.5) for z in (self.z0, self.z1)]
        return [np.array(corners)]

    def draw(self, canvas: Canvas) -> None:
        """Draw roof, end wall and façade."""
        rng = np.random.default_rng(self.seed)
        wall = vary(rng, pick(rng, self.style.walls), 7)
        roof = vary(rng, pick(rng, self.style.roofs), 8)
        side = 1.0 if self.x > 0 else -1.0
        self._end(canvas, wall, roof, side, rng)
        if self.roof != "flat":
            self._roof(canvas, roof, side, rng)
        self._facade(canvas, wall, side, rng)
        if self.kind in ("plaster", "brick"):
            self._awning(canvas, side, rng)

    def _end(self, canvas: Canvas, wall: RGB, roof: RGB, side: float, rng: np.random.Generator) -> None:
        """The wall towards the camera, seen over a lower neighbour or in a gap."""
        x0, x1 = self.x, self.x + side * 10
        z, h = self.z0, self.eaves
        top = min(h, canvas.camera.visible_top(z))
        quad = np.array([[x0, top, z], [x1, top, z], [x1, 0, z], [x0, 0, z]])
        board = Wall.fitting(canvas, quad, 10.0, top, scaled(wall, 0.93))
        for i in range(self.floors):
            for u in (2.5, 6.2):
                if rng.random() < 0.6:
                    y = 1.2 + 3.1 * i
                    board.rect(u - 0.1, y - 0.1, u + 1.2, y + 1.5, scaled(wall, 1.1))
                    glass, glow = self._pane(rng)
                    board.rect(u, y, u + 1.1, y + 1.4, glass, glow)
        order = quad if side > 0 else quad[[1, 0, 3, 2]]
        canvas.texture(board.finished(canvas, (0.0, 0.0, -1.0), (z, z)), order, BUILDING)
        if self.roof == "gable":
            peak = np.array([[x0, h, z], [x0 + side * 5, h + 4.6, z], [x1, h, z]])
            canvas.paint(peak, scaled(wall, 0.9), BUILDING, (0.0, 0.0, -1.0))

    def _pane(self, rng: np.random.Generator) -> tuple[RGB, int]:
        if rng.random() < self.style.lit:
            return vary(rng, (255, 208, 128), 14), int(rng.integers(120, 215))
        return ((66, 76, 96), 0) if self.style.night else ((104, 140, 172), 0)

    def _roof(self, canvas: Canvas, roof: RGB, side: float, rng: np.random.Generator) -> None:
        back, rise = (5.0, 4.6) if self.roof == "gable" else (0.9, 2.6)
        slope = np.array([-side * rise, back, 0.0])
        if not self._seen(canvas, slope):
            return
        x0, x1 = self.x - side * 0.35, self.x + side * back
        h0, h1 = self.eaves - 0.05, self.eaves + rise
        length = self.z1 - self.z0
        quad = np.array([[x1, h1, self.z0], [x1, h1, self.z1], [x0, h0, self.z1], [x0, h0, self.z0]])
        board = Wall.fitting(canvas, quad, length, rise, roof)
        for i in range(1, 12):
            board.rect(0, i * rise / 12, length, i * rise / 12 + 0.05, scaled(roof, 0.82))
        step = rng.uniform(2.4, 3.4)
        for u in np.arange(step / 2, length - 1.2, step):
            board.rect(u - 0.15, 0.5, u + 1.25, 1.95, scaled(roof, 0.7) if self.roof == "gable" else (236, 230, 218))
            glass, glow = self._pane(rng)
            board.rect(u, 0.6, u + 1.1, 1.8, glass, glow)
        normal = tuple(float(c) for c in slope / np.linalg.norm(slope))
        order = quad if side < 0 else quad[[1, 0, 3, 2]]
        canvas.texture(board.finished(canvas, normal, self._ends(side)), order, BUILDING)
        self._chimney(canvas, x1, h1, rng)

    def _seen(self, canvas: Canvas, slope: np.ndarray) -> bool:
        """Whether the camera is on the outer side of the roof, at both of its ends."""
        cam = canvas.camera
        eye = -cam.height if cam.mirror else cam.height
        shifts = (cam.bend * z * z for z in (self.z0, self.z1))
        return all(slope[0] * (cam.side - s - self.x) + slope[1] * (eye - self.eaves) > 0 for s in shifts)

    def _chimney(self, canvas: Canvas, x: float, h: float, rng: np.random.Generator) -> None:
        z = rng.uniform(self.z0 + 1, self.z1 - 1)
        box = np.array([[x - 0.5, h - 1, z], [x - 0.5, h + 1.1, z], [x + 0.5, h + 1.1, z], [x + 0.5, h - 1, z]])
        canvas.paint(box, (168, 104, 86), BUILDING, (0.0, 0.0, -1.0))

    def _ends(self, side: float) -> tuple[float, float]:
        return (self.z0, self.z1) if side < 0 else (self.z1, self.z0)

    def _facade(self, canvas: Canvas, wall: RGB, side: float, rng: np.random.Generator) -> None:
        h, x = self.eaves, self.x
        top = h + (0.9 if self.roof == "flat" else 0.0)
        seen = min(top, canvas.camera.visible_top(self.z1))
        length = self.z1 - self.z0
        quad = np.array([[x, seen, self.z0], [x, seen, self.z1], [x, 0, self.z1], [x, 0, self.z0]])
        board = Wall.fitting(canvas, quad, length, seen, wall)
        draw_facade(board, self.style, self.kind, self.floors, rng)
        order = quad if side < 0 else quad[[1, 0, 3, 2]]
        canvas.texture(board.finished(canvas, (-side, 0.0, 0.0), self._ends(side)), order, BUILDING)
        lip = 0.45
        eave = np.array([[x, top, self.z0], [x - side * lip, top, self.z0], [x - side * lip, top, self.z1]])
        eave = np.vstack([eave, [[x, top, self.z1]]])
        canvas.paint(eave, scaled(wall, 0.55), BUILDING, (0.0, -1.0, 0.0))
        low = eave[1:3] - np.array([0, 0.3, 0])
        canvas.paint(np.vstack([eave[1:3], low[::-1]]), scaled(wall, 1.06), BUILDING, (-side, 0.0, 0.0))

    def _awning(self, canvas: Canvas, side: float, rng: np.random.Generator) -> None:
        """A striped awning over a shop."""
        if rng.random() < 0.45:
            return
        first = pick(rng, self.style.cars)
        second = (250, 246, 236) if not self.style.night else scaled(first, 0.6)
        z0, z1 = self.z0 + 0.6, self.z1 - 0.6
        cuts = np.linspace(z0, z1, int((z1 - z0) / 0.7) + 2)
        xi, xo = self.x, self.x - side * 1.3
        normal = (-side * 0.5, 0.87, 0.0)
        for i, (a, b) in reversed(list(enumerate(pairwise(cuts)))):
            rgb = first if i % 2 else second
            canvas.paint(np.array([[xi, 3.35, a], [xi, 3.35, b], [xo, 2.75, b], [xo, 2.75, a]]), rgb, BUILDING, normal)
            skirt = np.array([[xo, 2.75, a], [xo, 2.75, b], [xo, 2.45, b], [xo, 2.45, a]])
            canvas.paint(skirt, scaled(rgb, 0.9), BUILDING, (-side, 0.0, 0.0))


@dataclass(frozen=True)
class Skyline:
    """Hazy blocks that close the far end of the street."""

    style: Style
    seed: int
    depth: float

    def hulls(self) -> list[np.ndarray]:
        """Too far to cast a shadow that counts."""
        return []

    def draw(self, canvas: Canvas) -> None:
        """Draw a row of fronts."""
        rng = np.random.default_rng(self.seed)
        centre = -canvas.camera.bend * self.depth**2
        x = centre - 100.0
        while x < centre + 100:
            width = rng.uniform(9, 20)
            height = rng.uniform(7, 15) * (1.7 if self.style.night else 1.0)
            wall = mix(pick(rng, self.style.walls), self.style.haze_rgb, 0.15)
            quad = np.array([[x, height, 0], [x + width, height, 0], [x + width, 0, 0], [x, 0, 0]])
            quad[:, 2] = self.depth
            board = Wall.fitting(canvas, quad, width, height, wall)
            draw_facade(board, self.style, pick(rng, self.style.facades), max(2, int(height / 3.1)), rng)
            canvas.texture(board.finished(canvas, (0.0, 0.0, -1.0), (self.depth, self.depth)), quad, BUILDING)
            x += width
