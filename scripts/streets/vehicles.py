"""Cars as low-poly solids: a lower body and a cabin, seen from any side."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .canvas import RGB, Canvas, mix, scaled
from .labels import CAR
from .style import Style


@dataclass(frozen=True)
class Shape:
    """A body: lengths along the car (front positive), heights, half widths, in metres."""

    length: float
    half: float
    tail: float
    belt: float
    nose: float
    roof: float
    cabin: tuple[float, float, float, float]
    top_half: float


SHAPES = {
    "saloon": Shape(4.6, 0.90, 0.98, 0.96, 0.80, 1.46, (-1.75, -1.10, 0.35, 1.15), 0.64),
    "hatch": Shape(4.0, 0.88, 0.98, 0.98, 0.82, 1.52, (-1.95, -1.60, 0.30, 1.10), 0.66),
    "suv": Shape(4.6, 0.95, 1.10, 1.10, 1.00, 1.76, (-2.25, -1.95, 0.40, 1.05), 0.74),
    "van": Shape(5.0, 0.98, 1.15, 1.15, 1.05, 2.10, (-2.48, -2.40, 1.20, 1.90), 0.84),
    "coupe": Shape(4.3, 0.92, 0.92, 0.90, 0.74, 1.32, (-1.70, -0.75, 0.20, 1.05), 0.60),
}


@dataclass(frozen=True)
class Car:
    """A car at (x, z); heading 0 looks away from the camera, pi towards it."""

    style: Style
    seed: int
    x: float
    z: float
    heading: float
    shape: str
    rgb: RGB
    lights: bool

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def world(self, points: np.ndarray) -> np.ndarray:
        """World coordinates of (side, up, along) points."""
        p = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        c, s = np.cos(self.heading), np.sin(self.heading)
        x = self.x + p[:, 0] * c + p[:, 2] * s
        z = self.z - p[:, 0] * s + p[:, 2] * c
        return np.stack([x, p[:, 1], z], axis=1)

    def hulls(self) -> list[np.ndarray]:
        """Body and cabin."""
        b = SHAPES[self.shape]
        w, e = b.half, b.length / 2
        body = [(s * w, y, a) for s in (-1, 1) for y in (0.1, b.belt) for a in (-e, e)]
        r0, r1, r2, r3 = b.cabin
        ends = ((b.belt, r0), (b.roof, r1), (b.roof, r2), (b.belt, r3))
        cabin = [(s * b.top_half, y, a) for s in (-1, 1) for y, a in ends]
        return [self.world(np.array(body)), self.world(np.array(cabin))]

    def draw(self, canvas: Canvas) -> None:
        """Draw what the camera can see of the car."""
        b = SHAPES[self.shape]
        steps = [self._underside, self._lower, self._cabin]
        for step in reversed(steps) if canvas.camera.mirror else steps:
            step(canvas, b)

    def _face(self, canvas: Canvas, quad: np.ndarray, rgb: RGB, normal: RGB, label_only_visible: bool = True) -> bool:
        """Paint a face when it looks at the camera; ``quad`` and ``normal`` in car coordinates."""
        points = self.world(quad)
        n = self.world(np.asarray(normal))[0] - np.array([self.x, 0, self.z])
        cam = canvas.camera
        eye_y = -cam.height if cam.mirror else cam.height
        mid = points.mean(axis=0)
        eye = np.array([cam.side - cam.bend * mid[2] ** 2, eye_y, 0.0])
        if np.dot(n, eye - mid) <= 0 and label_only_visible:
            return False
        canvas.paint(points, rgb, CAR, tuple(float(c) for c in n))
        return True

    def _sub(self, canvas: Canvas, quad: np.ndarray, box: tuple[float, float, float, float], rgb: RGB, glow: int = 0):
        """Fill a part of a quad; box = (s0, t0, s1, t1), s along the first edge, t along the last."""
        s0, t0, s1, t1 = box
        q = self.world(quad)

        def at(s: float, t: float) -> np.ndarray:
            return (q[0] * (1 - s) + q[1] * s) * (1 - t) + (q[3] * (1 - s) + q[2] * s) * t

        points = np.array([at(s0, t0), at(s1, t0), at(s1, t1), at(s0, t1)])
        if glow:
            canvas.fill(points, rgb, CAR, glow)
        else:
            canvas.paint(points, rgb, CAR)

    def _underside(self, canvas: Canvas, b: Shape) -> None:
        e = b.length / 2 - 0.15
        dark = (26, 26, 30)
        for side in (-1, 1):
            for along in (-e, e):
                quad = [(side * b.half * 0.9, y, a) for y, a in ((0.12, -e), (0.5, -e), (0.5, e), (0.12, e))]
                canvas.paint(self.world(np.array(quad)), dark, CAR)
                ends = [(x, y, along) for x, y in ((-b.half * 0.9, 0.14), (b.half * 0.9, 0.14), (b.half * 0.9, 0.5))]
                canvas.paint(self.world(np.array([*ends, (-b.half * 0.9, 0.5, along)])), dark, CAR)

    def _lower(self, canvas: Canvas, b: Shape) -> None:
        e, w = b.length / 2, b.half
        r0, _, _, r3 = b.cabin
        low = 0.28
        for a, top, sign in ((-e, b.tail, -1.0), (e, b.nose, 1.0)):
            quad = np.array([(-w, low, a), (w, low, a), (w, top, a), (-w, top, a)])
            if self._face(canvas, quad, self.rgb, (0.0, 0.0, sign)):
                (self._rear if sign < 0 else self._front)(canvas, quad)
        line = ((-e, b.tail), (r0, b.belt), (r3, b.belt), (e, b.nose))
        for (a0, y0), (a1, y1) in pairwise(line):
            quad = np.array([(-w, y0, a0), (w, y0, a0), (w, y1, a1), (-w, y1, a1)])
            self._face(canvas, quad, scaled(self.rgb, 1.05), (0.0, 1.0, 0.0))
        for side in (-1.0, 1.0):
            outline = [(-e, low), (-e, b.tail), (r0, b.belt), (r3, b.belt), (e, b.nose), (e, low)]
            quad = np.array([(side * w, y, a) for a, y in outline])
            if self._face(canvas, quad, self.rgb, (side, 0.0, 0.0)):
                self._side(canvas, b, side)

    def _side(self, canvas: Canvas, b: Shape, side: float) -> None:
        e, w = b.length / 2, b.half * side
        strip = np.array([(w, 0.28, -e), (w, 0.28, e), (w, 0.45, e), (w, 0.45, -e)])
        canvas.paint(self.world(strip), scaled(self.rgb, 0.6), CAR)
        crease = np.array([(w, 0.74, -e), (w, 0.72, e), (w, 0.76, e), (w, 0.80, -e)])
        canvas.paint(self.world(crease), mix(self.rgb, (255, 255, 255), 0.22), CAR)
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for along in (-e * 0.62, e * 0.64):
            for radius, rgb in ((0.42, (22, 22, 26)), (0.34, (40, 40, 44)), (0.2, (176, 178, 184)), (0.07, (70, 70, 76))):
                ring = np.stack([np.full(20, w * 1.01), 0.34 + radius * np.sin(angle), along + radius * np.cos(angle)], axis=1)
                ring[:, 1] = np.maximum(ring[:, 1], 0.0)
                canvas.paint(self.world(ring), rgb, CAR)

    def _rear(self, canvas: Canvas, quad: np.ndarray) -> None:
        self._sub(canvas, quad, (0.0, 0.0, 1.0, 0.22), scaled(self.rgb, 0.55))
        self._sub(canvas, quad, (0.34, 0.40, 0.66, 0.60), (244, 240, 214))
        red, glow = ((255, 64, 48), 240) if self.lights else ((176, 30, 34), 0)
        for box in ((0.03, 0.62, 0.24, 0.88), (0.76, 0.62, 0.97, 0.88)):
            self._sub(canvas, quad, box, red, glow)

    def _front(self, canvas: Canvas, quad: np.ndarray) -> None:
        self._sub(canvas, quad, (0.0, 0.0, 1.0, 0.2), scaled(self.rgb, 0.55))
        self._sub(canvas, quad, (0.28, 0.42, 0.72, 0.80), (34, 36, 42))
        self._sub(canvas, quad, (0.36, 0.22, 0.64, 0.38), (240, 240, 236))
        white, glow = ((255, 246, 214), 255) if self.lights else ((238, 242, 248), 0)
        for box in ((0.04, 0.55, 0.24, 0.86), (0.76, 0.55, 0.96, 0.86)):
            self._sub(canvas, quad, box, white, glow)

    def _cabin(self, canvas: Canvas, b: Shape) -> None:
        r0, r1, r2, r3 = b.cabin
        w, t = b.half * 0.92, b.top_half
        glass = (52, 62, 78) if self.style.night else (74, 98, 124)
        top = np.array([(-t, b.roof, r1), (t, b.roof, r1), (t, b.roof, r2), (-t, b.roof, r2)])
        for (a0, a1), sign in (((r0, r1), -1.0), ((r3, r2), 1.0)):
            quad = np.array([(-w, b.belt, a0), (w, b.belt, a0), (t, b.roof, a1), (-t, b.roof, a1)])
            tilt = (0.0, 0.5, sign * 0.87)
            if self._face(canvas, quad, scaled(self.rgb, 0.92), tilt):
                self._sub(canvas, quad, (0.07, 0.06, 0.93, 0.90), glass)
                self._sub(canvas, quad, (0.07, 0.62, 0.93, 0.90), mix(glass, (214, 230, 244), 0.28))
        for side in (-1.0, 1.0):
            ends = ((w, b.belt, r0), (w, b.belt, r3), (t, b.roof, r2), (t, b.roof, r1))
            quad = np.array([(side * x, y, a) for x, y, a in ends])
            if self._face(canvas, quad, scaled(self.rgb, 0.95), (side * 0.9, 0.4, 0.0)):
                for box in ((0.09, 0.08, 0.48, 0.86), (0.53, 0.08, 0.90, 0.86)):
                    if self.shape != "van" or box[0] > 0.5:
                        self._sub(canvas, quad, box, glass)
                        self._sub(canvas, quad, (box[0], 0.55, box[2], 0.86), mix(glass, (214, 230, 244), 0.22))
        self._face(canvas, top, mix(self.rgb, (255, 255, 255), 0.08), (0.0, 1.0, 0.0))
