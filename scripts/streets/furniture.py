"""Street furniture on poles: lamps, bollards, traffic signs and lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import RGB, Canvas, mix, pick, scaled, vary
from .labels import POLE
from .plates import Plate, draw_board, draw_light, draw_plate
from .style import Style


def draw_pole(canvas: Canvas, x: float, z: float, top: float, radius: float, rgb: RGB) -> None:
    """An upright tube with a lit side and a foot."""
    shaded = canvas.light.shade(rgb, z)
    canvas.capsule(np.array([[x, 0.05, z], [x, top, z]]), (radius * 1.1, radius * 0.85), shaded, POLE)
    side = np.sign(canvas.light.sun[0]) * radius * 0.4
    lit = mix(shaded, (255, 255, 250), 0.28)
    canvas.capsule(np.array([[x + side, 0.3, z], [x + side, top, z]]), (radius * 0.3, radius * 0.25), lit, POLE)
    canvas.capsule(np.array([[x, 0.0, z], [x, 0.5, z]]), (radius * 1.7, radius * 1.5), scaled(shaded, 0.85), POLE)


def post_hull(x: float, z: float, top: float, radius: float) -> np.ndarray:
    """Corners of a post, for its shadow."""
    return np.array([(x + dx, y, z + dx) for dx in (-radius, radius) for y in (0.0, top)])


@dataclass(frozen=True)
class Lamp:
    """A street lamp; ``reach`` is the signed length of its arm."""

    style: Style
    seed: int
    x: float
    z: float
    reach: float

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def hulls(self) -> list[np.ndarray]:
        """The post and the arm."""
        arm = [(self.x, 6.2, self.z), (self.x + self.reach, 6.5, self.z), (self.x, 6.35, self.z + 0.1)]
        return [post_hull(self.x, self.z, 6.3, 0.1), np.array(arm)]

    def draw(self, canvas: Canvas) -> None:
        """Draw post, arm and lantern."""
        rng = np.random.default_rng(self.seed)
        metal = vary(rng, pick(rng, self.style.metal), 6)
        draw_pole(canvas, self.x, self.z, 6.2, 0.12, metal)
        shaded = canvas.light.shade(metal, self.z)
        elbow, tip = np.array([self.x, 6.2, self.z]), np.array([self.x + self.reach, 6.6, self.z])
        canvas.capsule(np.array([elbow, tip]), (0.09, 0.07), shaded, POLE)
        end = tip + np.array([0.5 * np.sign(self.reach), -0.02, 0.0])
        canvas.capsule(np.array([tip, end]), (0.15, 0.12), shaded, POLE)
        glow = 255 if self.style.night else 0
        rgb = (255, 226, 170) if self.style.night else (240, 244, 246)
        low = np.array([0.0, -0.09, 0.0])
        canvas.capsule(np.array([tip + low, end + low]), (0.10, 0.08), rgb, POLE, glow)


@dataclass(frozen=True)
class Bollard:
    """A short post at the kerb."""

    style: Style
    x: float
    z: float

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def hulls(self) -> list[np.ndarray]:
        """The post."""
        return [post_hull(self.x, self.z, 0.95, 0.09)]

    def draw(self, canvas: Canvas) -> None:
        """Draw the post and its bright ring."""
        rgb = self.style.metal[0]
        draw_pole(canvas, self.x, self.z, 0.95, 0.10, rgb)
        ring = canvas.light.shade((244, 240, 226), self.z)
        for dx in (-0.06, 0.06):
            spot = np.array([self.x + dx, 0.80, self.z])
            canvas.disc(spot, 0.06, ring, POLE)


@dataclass(frozen=True)
class Sign:
    """A traffic sign, direction board or traffic light on its own pole, facing the camera."""

    style: Style
    seed: int
    x: float
    z: float
    kind: str

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def hulls(self) -> list[np.ndarray]:
        """Post and plate."""
        plate = [(self.x + dx, y, self.z) for dx in (-0.4, 0.4) for y in (2.2, 3.0)]
        return [post_hull(self.x, self.z, 2.4, 0.08), np.array(plate)]

    def draw(self, canvas: Canvas) -> None:
        """Draw the pole, then the plate."""
        rng = np.random.default_rng(self.seed)
        metal = (168, 172, 176) if self.kind != "light" else pick(rng, self.style.metal)
        top = {"light": 2.5, "board": 3.0}.get(self.kind, 2.7)
        draw_pole(canvas, self.x, self.z, top, 0.075 if self.kind != "light" else 0.1, metal)
        face = {"light": draw_light, "board": draw_board}.get(self.kind, draw_plate)
        face(canvas, Plate(self.x, self.z, self.kind, self.style.night), rng)
