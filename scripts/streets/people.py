"""Pedestrians and bicyclists, built from limbs in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import RGB, Canvas, mix, pick, scaled, vary
from .labels import BICYCLIST, PEDESTRIAN
from .style import Style

SKIN = ((242, 202, 170), (224, 172, 132), (168, 112, 80), (112, 74, 56))
HAIR = ((52, 38, 32), (108, 70, 42), (196, 156, 92), (40, 40, 46), (150, 146, 142))

Limb = tuple[np.ndarray, tuple[float, float], RGB]


@dataclass(frozen=True)
class Figure:
    """Someone at (x, z); heading 0 walks or rides away from the camera."""

    style: Style
    seed: int
    x: float
    z: float
    heading: float
    size: float
    rides: bool

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def limb(self, a: tuple, b: tuple, radii: tuple[float, float], rgb: RGB) -> Limb:
        """A limb between two (side, up, along) points of the figure's own frame."""
        p = np.array([a, b], dtype=np.float64) * self.size
        c, s = np.cos(self.heading), np.sin(self.heading)
        x = self.x + p[:, 0] * c + p[:, 2] * s
        z = self.z - p[:, 0] * s + p[:, 2] * c
        return np.stack([x, p[:, 1], z], axis=1), (radii[0] * self.size, radii[1] * self.size), rgb

    def limbs(self) -> list[Limb]:
        """All limbs, in the figure's own order."""
        rng = np.random.default_rng(self.seed)
        return self._riding(rng) if self.rides else self._walking(rng)

    def hulls(self) -> list[np.ndarray]:
        """Limbs as point clouds."""
        out = []
        for ends, radii, _ in self.limbs():
            r = max(radii)
            ring = np.array([(r, 0, 0), (-r, 0, 0), (0, 0, r), (0, 0, -r), (0, r, 0)])
            out.append(np.vstack([ends[0] + ring, ends[1] + ring]))
        return out

    def draw(self, canvas: Canvas) -> None:
        """Draw the limbs from far to near, each with a lit side."""
        label = BICYCLIST if self.rides else PEDESTRIAN
        sun = canvas.light.sun
        limbs = self.limbs()
        if self.rides:
            self._wheels(canvas)
        for ends, radii, rgb in sorted(limbs, key=lambda limb: -limb[0][:, 2].mean()):
            canvas.capsule(ends, radii, canvas.light.shade(scaled(rgb, 0.80), self.z), label)
            if canvas.camera.mirror or canvas.camera.pixels(min(radii), self.z) < 0.8:
                continue
            shift = np.array([np.sign(sun[0]) * 0.28 * min(radii), 0.1 * min(radii), 0.0])
            inner = (radii[0] * 0.62, radii[1] * 0.62)
            canvas.capsule(ends + shift, inner, canvas.light.shade(scaled(rgb, 1.08), self.z), label)
        if not self.rides:
            self._extras(canvas, np.random.default_rng(self.seed + 1))
        elif self.style.night:
            self._lamps(canvas)

    def _clothes(self, rng: np.random.Generator) -> tuple[RGB, RGB, RGB, RGB]:
        top = vary(rng, pick(rng, self.style.clothes), 8)
        trousers = vary(rng, pick(rng, ((58, 70, 110), (70, 66, 70), (132, 116, 92), (40, 44, 54))), 8)
        return top, trousers, vary(rng, pick(rng, SKIN), 5), vary(rng, pick(rng, HAIR), 5)

    def _walking(self, rng: np.random.Generator) -> list[Limb]:
        top, trousers, skin, hair = self._clothes(rng)
        k = rng.uniform(0.08, 0.30)
        coat = self.style.night or rng.random() < 0.25
        sleeve = top if coat or rng.random() < 0.4 else skin
        dress = not coat and rng.random() < 0.35
        legs, hem = (skin, 0.62) if dress else (trousers, 0.72 if coat else 0.95)
        shoes = (48, 44, 46)
        out = []
        for side, step in ((-0.10, k), (0.10, -k)):
            knee = (side, 0.48, step * 0.65 + 0.05)
            out.append(self.limb((side, 0.90, 0.0), knee, (0.095, 0.075), legs))
            out.append(self.limb(knee, (side, 0.08, step), (0.075, 0.055), legs))
            out.append(self.limb((side, 0.05, step - 0.03), (side, 0.05, step + 0.14), (0.05, 0.045), shoes))
            elbow = (side * 2.4, 1.12, -step * 0.6)
            out.append(self.limb((side * 2.0, 1.42, 0.0), elbow, (0.065, 0.05), top))
            out.append(self.limb(elbow, (side * 2.5, 0.88, -step * 0.9 + 0.06), (0.05, 0.042), sleeve))
        out.append(self.limb((0, 1.36, 0.0), (0, hem, 0.0), (0.205, 0.24 if dress else 0.18), top))
        out.append(self.limb((0, 1.48, 0.0), (0, 1.56, 0.01), (0.06, 0.06), skin))
        out.append(self.limb((0, 1.64, 0.02), (0, 1.68, 0.02), (0.105, 0.105), skin))
        out.append(self.limb((0, 1.69, -0.05), (0, 1.73, -0.02), (0.115, 0.10), hair))
        if rng.random() < 0.35:
            bag = vary(rng, pick(rng, self.style.cars), 10)
            out.append(self.limb((0, 1.34, -0.22), (0, 1.08, -0.24), (0.15, 0.17), bag))
        return out

    def _extras(self, canvas: Canvas, rng: np.random.Generator) -> None:
        """An umbrella in the wet domain."""
        if not self.style.night or rng.random() > 0.3:
            return
        rgb = canvas.light.shade(vary(rng, pick(rng, ((150, 44, 52), (44, 60, 110), (60, 60, 66), (190, 160, 70))), 8), self.z)
        angle = np.linspace(0, np.pi, 13)
        x, y = self.x + 0.1, 1.72 * self.size
        shaft = np.array([[x, 1.1 * self.size, self.z], [x, y + 0.3, self.z]])
        canvas.capsule(shaft, (0.02, 0.02), (60, 60, 64), PEDESTRIAN)
        dome = np.stack([x + 0.58 * np.cos(angle), y + 0.42 * np.sin(angle), np.full(13, self.z)], axis=1)
        canvas.fill(dome, rgb, PEDESTRIAN)
        canvas.fill(dome[4:9], scaled(rgb, 1.25), PEDESTRIAN)

    def _riding(self, rng: np.random.Generator) -> list[Limb]:
        top, trousers, skin, hair = self._clothes(rng)
        frame = vary(rng, pick(rng, self.style.cars), 10)
        helmet = vary(rng, pick(rng, ((240, 240, 240), (220, 60, 50), (250, 210, 60), (50, 60, 80))), 6)
        phase = rng.uniform(0, np.pi)
        out = [
            self.limb((0, 0.34, -0.52), (0, 0.84, -0.18), (0.028, 0.028), frame),
            self.limb((0, 0.84, -0.18), (0, 0.86, 0.36), (0.03, 0.03), frame),
            self.limb((0, 0.32, -0.04), (0, 0.80, 0.38), (0.03, 0.03), frame),
            self.limb((0, 0.34, 0.54), (0, 1.02, 0.34), (0.028, 0.028), frame),
            self.limb((-0.28, 1.06, 0.34), (0.28, 1.06, 0.34), (0.026, 0.026), (40, 40, 44)),
            self.limb((0, 0.93, -0.30), (0, 0.94, -0.08), (0.07, 0.04), (40, 36, 36)),
        ]
        for side, turn in ((-0.11, 0.0), (0.11, np.pi)):
            foot = (side, 0.32 + 0.16 * np.sin(phase + turn), -0.02 + 0.16 * np.cos(phase + turn))
            knee = (side * 1.2, 0.68 + 0.08 * np.sin(phase + turn), 0.24)
            out.append(self.limb((side, 0.98, -0.16), knee, (0.095, 0.075), trousers))
            out.append(self.limb(knee, foot, (0.07, 0.05), trousers))
            out.append(self.limb(foot, (side, foot[1], foot[2] + 0.12), (0.05, 0.04), (50, 46, 48)))
            out.append(self.limb((side * 1.8, 1.44, 0.08), (side * 2.3, 1.07, 0.32), (0.06, 0.045), top))
        out.append(self.limb((0, 1.42, 0.06), (0, 1.02, -0.16), (0.19, 0.16), top))
        out.append(self.limb((0, 1.62, 0.14), (0, 1.66, 0.14), (0.105, 0.10), skin))
        out.append(self.limb((0, 1.70, 0.10), (0, 1.73, 0.14), (0.12, 0.11), helmet if rng.random() < 0.7 else hair))
        return out

    def _wheels(self, canvas: Canvas) -> None:
        """Two rings with spokes; the gaps between the spokes count as bicycle."""
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        c, s = np.cos(self.heading), np.sin(self.heading)
        for along in (-0.52, 0.54):
            for radius, rgb in ((0.35, (34, 34, 38)), (0.30, (150, 152, 156))):
                a = (along + radius * np.cos(angle)) * self.size
                y = (0.34 + radius * np.sin(angle)) * self.size
                ring = np.stack([self.x + a * s, np.maximum(y, 0), self.z + a * c], axis=1)
                canvas.fill(ring, canvas.light.shade(rgb, self.z), BICYCLIST)
            foot, head = self.limb((0, 0.05, along), (0, 0.64, along), (0.03, 0.03), (34, 34, 38))[0]
            canvas.capsule(np.array([foot, head]), (0.035, 0.035), canvas.light.shade((40, 40, 44), self.z), BICYCLIST)

    def _lamps(self, canvas: Canvas) -> None:
        away = np.cos(self.heading) > 0
        spot = (0, 0.80, -0.42) if away else (0, 0.96, 0.46)
        ends, _, _ = self.limb(spot, spot, (0.05, 0.05), (0, 0, 0))
        rgb = (255, 52, 40) if away else (255, 250, 226)
        canvas.disc(ends[0], 0.055, mix(rgb, (255, 255, 255), 0.15), BICYCLIST, 255)
