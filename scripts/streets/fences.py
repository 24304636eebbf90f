"""Fences along gardens and kerbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import RGB, Canvas, scaled, vary
from .labels import FENCE
from .style import Style


@dataclass(frozen=True)
class Fence:
    """A fence from (x, z0) to (x1, z1); ``kind`` is picket, railing, mesh, guard or panel."""

    style: Style
    seed: int
    x: float
    z0: float
    z1: float
    kind: str
    x1: float | None = None
    height: float = 1.15
    garden: bool = False

    @property
    def depth(self) -> float:
        """A garden fence is behind all that stands on its pavement; a kerb fence is sorted by its middle."""
        if self.garden:
            return self.z1 - 0.5
        return (self.z0 + self.z1) / 2

    def _at(self, t: float, y: float) -> tuple[float, float, float]:
        end = self.x if self.x1 is None else self.x1
        return (self.x + (end - self.x) * t, y, self.z0 + (self.z1 - self.z0) * t)

    def _quad(self, t0: float, t1: float, y0: float, y1: float) -> np.ndarray:
        return np.array([self._at(t0, y0), self._at(t1, y0), self._at(t1, y1), self._at(t0, y1)])

    def hulls(self) -> list[np.ndarray]:
        """A flat sheet with only the rails' share of shadow."""
        if self.kind in ("picket", "panel"):
            return [self._quad(0, 1, 0.0, self.height)]
        return [self._quad(0, 1, self.height - 0.12, self.height), self._quad(0, 1, 0.1, 0.2)]

    def draw(self, canvas: Canvas) -> None:
        """Draw the panels from far to near; the gaps between bars count as fence."""
        rng = np.random.default_rng(self.seed)
        base = {
            "picket": (246, 244, 236),
            "railing": (46, 92, 82),
            "mesh": (120, 124, 128),
            "guard": (168, 172, 176),
            "panel": (124, 84, 58),
        }[self.kind]
        rgb = vary(rng, base, 8)
        length = float(np.hypot(self.z1 - self.z0, (self.x if self.x1 is None else self.x1) - self.x))
        side = -np.sign(self.x)
        normal = (float(side), 0.0, 0.0) if self.x1 is None else (0.0, 0.0, -1.0)
        back = {"railing": 0.62, "mesh": 0.55, "guard": 0.5, "picket": 0.62, "panel": 0.9}[self.kind]
        count = max(2, int(length / {"railing": 0.22, "mesh": 0.3, "guard": 2.0}.get(self.kind, 0.24)))
        z = min(self.z0, self.z1)
        if canvas.camera.pixels(length / count, max(z, 4)) < 2.5:
            count = max(2, count // 2)
        canvas.paint(self._quad(0, 1, 0.0, self.height), scaled(rgb, back), FENCE, normal)
        self._bars(canvas, count, rgb, normal)

    def _bars(self, canvas: Canvas, count: int, rgb: RGB, normal: RGB) -> None:
        h = self.height
        order = range(count - 1, -1, -1)
        if self.kind == "guard":
            for y in (0.30, 0.55, 0.80):
                canvas.paint(self._quad(0, 1, y, y + 0.15), scaled(rgb, 1.1), FENCE, normal)
            for i in order:
                canvas.paint(self._quad(i / count, i / count + 0.06 / count * 2, 0, h), scaled(rgb, 0.75), FENCE, normal)
            return
        share = {"railing": 0.35, "mesh": 0.2, "picket": 0.66, "panel": 0.88}[self.kind]
        for i in order:
            t = i / count
            canvas.paint(self._quad(t, t + share / count, 0.06, h), rgb, FENCE, normal)
        for y in (0.18, h - 0.14):
            canvas.paint(self._quad(0, 1, y, y + 0.1), scaled(rgb, 0.92), FENCE, normal)
        if self.kind == "mesh":
            for y in np.arange(0.3, h - 0.2, 0.22):
                canvas.paint(self._quad(0, 1, float(y), float(y) + 0.04), rgb, FENCE, normal)
