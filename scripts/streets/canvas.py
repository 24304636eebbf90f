"""A pinhole camera and a canvas that draws colour, glow and label with the same polygons."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 512, 256
NEAR = 0.7
SHIFT = 4  # fractional bits of the coordinates handed to OpenCV

RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """Pinhole camera over the ground plane; x right, y up, z forward, in metres.

    ``bend`` shifts the world sideways by ``bend * z**2``, which makes a straight street a curved one.
    ``mirror`` turns the world upside down at the ground: what a wet road reflects.
    """

    focal: float
    height: float
    horizon: float
    centre: float
    side: float
    bend: float
    scale: int = 2
    mirror: bool = False

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel coordinates (N, 2) of world points (N, 3) on the supersampled canvas."""
        p = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        z = np.maximum(p[:, 2], NEAR)
        x = p[:, 0] - self.side + self.bend * z * z
        y = -p[:, 1] if self.mirror else p[:, 1]
        uv = np.empty((len(p), 2))
        uv[:, 0] = self.centre + self.focal * x / z
        uv[:, 1] = self.horizon + self.focal * (self.height - y) / z
        return uv * self.scale - 0.5

    def visible_top(self, z: float) -> float:
        """Height above which nothing at depth ``z`` or nearer can be in the picture."""
        rows = HEIGHT - self.horizon if self.mirror else self.horizon
        return self.height + rows * z / self.focal + 0.5

    def pixels(self, metres: float, z: float) -> float:
        """Length on the canvas of ``metres`` at depth ``z``."""
        return self.focal * self.scale * metres / max(z, NEAR)


@dataclass(frozen=True)
class Light:
    """Ambient light, one sun and haze. ``sun`` points from the ground to the sun."""

    sun: RGB
    sun_rgb: RGB
    ambient: RGB
    haze_rgb: RGB
    haze_far: float
    street: RGB = (0.0, 0.0, 0.0)  # what lamps and shop windows add near the ground

    def factor(self, normal: RGB | None) -> np.ndarray:
        """What a surface with this normal multiplies its colour by (no normal: an average one)."""
        lambert = 0.55 if normal is None else max(0.0, float(np.dot(normal, self.sun)))
        return np.asarray(self.ambient) + np.asarray(self.sun_rgb) * lambert

    def haze(self, z: float) -> float:
        """Share of haze at depth ``z``."""
        return float(1 - np.exp(-max(z, 0.0) / self.haze_far))

    def shade(self, rgb: RGB, z: float, normal: RGB | None = None) -> RGB:
        """The colour of a material as seen from the camera."""
        t = self.haze(z)
        lambert = 0.55 if normal is None else max(0.0, sum(a * b for a, b in zip(normal, self.sun, strict=True)))
        parts = zip(rgb, self.ambient, self.sun_rgb, self.street, self.haze_rgb, strict=True)
        return tuple(min(255.0, c * (a + s * lambert + 0.6 * w) * (1 - t) + h * t) for c, a, s, w, h in parts)


def clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a polygon (N, 3) beyond the near plane."""
    p = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    if (p[:, 2] >= NEAR).all():
        return p
    kept: list[np.ndarray] = []
    for a, b in zip(p, np.roll(p, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return np.array(kept).reshape(-1, 3)


def fixed(uv: np.ndarray) -> np.ndarray:
    """Fixed-point coordinates for OpenCV, kept in a range that cannot overflow."""
    return np.rint(np.minimum(np.maximum(uv, -2e4), 2e4) * (1 << SHIFT)).astype(np.int32)


class Canvas:
    """Colour and glow (RGBA, glow in A) and label; everything is drawn on both or not at all."""

    def __init__(self, camera: Camera, light: Light, noise: np.ndarray) -> None:
        self.camera = camera
        self.light = light
        self.noise = noise
        h, w = HEIGHT * camera.scale, WIDTH * camera.scale
        self.image = np.zeros((h, w, 4), np.uint8)
        self.label = np.zeros((h, w), np.uint8)
        self.gloss = np.zeros((h, w), np.float32)

    def fill_uv(self, uv: np.ndarray, rgb: RGB, label: int, glow: int = 0) -> None:
        """Fill a polygon given in canvas coordinates."""
        if len(uv) < 3:
            return
        points = [fixed(uv)]
        cv2.fillPoly(self.image, points, (*rgb, glow), cv2.LINE_8, SHIFT)
        cv2.fillPoly(self.label, points, label, cv2.LINE_8, SHIFT)

    def fill(self, points: np.ndarray, rgb: RGB, label: int, glow: int = 0) -> None:
        """Fill a polygon of world points with a finished colour."""
        self.fill_uv(self.camera.project(clip_near(points)), rgb, label, glow)

    def paint(self, points: np.ndarray, rgb: RGB, label: int, normal: RGB | None = None) -> None:
        """Fill a polygon of world points with a material, lit and hazed."""
        z = float(np.mean(np.asarray(points)[:, 2]))
        self.fill(points, self.light.shade(rgb, z, normal), label)

    def disc_uv(self, uv: np.ndarray, radius: float, rgb: RGB, label: int, glow: int = 0) -> None:
        """Fill a circle given in canvas coordinates."""
        if radius < 0.3 or not (np.abs(uv) < 4e3).all():
            return
        centre = tuple(int(c) for c in fixed(uv))
        r = round(radius * (1 << SHIFT))
        cv2.circle(self.image, centre, r, (*rgb, glow), -1, cv2.LINE_8, SHIFT)
        cv2.circle(self.label, centre, r, label, -1, cv2.LINE_8, SHIFT)

    def discs(self, centres: np.ndarray, radii: np.ndarray, rgbs: np.ndarray, label: int) -> None:
        """Fill many balls with finished colours, in the order given."""
        one = 1 << SHIFT
        uv = np.round(self.camera.project(centres) * one).astype(np.int64)
        r = radii * self.camera.focal * self.camera.scale / np.maximum(centres[:, 2], NEAR)
        keep = (r > 0.3) & (np.abs(uv) < 4000 * one).all(axis=1) & (centres[:, 2] > NEAR)
        r = np.round(r * one).astype(np.int64)
        for (x, y), radius, rgb in zip(uv[keep].tolist(), r[keep].tolist(), rgbs[keep].tolist(), strict=True):
            cv2.circle(self.image, (x, y), radius, (*rgb, 0), -1, cv2.LINE_8, SHIFT)
            cv2.circle(self.label, (x, y), radius, label, -1, cv2.LINE_8, SHIFT)

    def disc(self, centre: np.ndarray, radius: float, rgb: RGB, label: int, glow: int = 0) -> None:
        """Fill a ball of ``radius`` metres with a finished colour."""
        z = float(centre[2])
        if z > NEAR:
            self.disc_uv(self.camera.project(centre)[0], self.camera.pixels(radius, z), rgb, label, glow)

    def capsule(self, ends: np.ndarray, radii: tuple[float, float], rgb: RGB, label: int, glow: int = 0) -> None:
        """Fill a limb between two world points with a radius in metres at each end."""
        if min(ends[0][2], ends[1][2]) <= NEAR:
            return
        uv = self.camera.project(np.asarray(ends))
        r = [self.camera.pixels(m, e[2]) for m, e in zip(radii, ends, strict=True)]
        along = uv[1] - uv[0]
        length = float(np.hypot(*along))
        for point, radius in zip(uv, r, strict=True):
            self.disc_uv(point, radius, rgb, label, glow)
        if length > 1e-6:
            side = np.array([-along[1], along[0]]) / length
            quad = np.array([uv[0] + side * r[0], uv[1] + side * r[1], uv[1] - side * r[1], uv[0] - side * r[0]])
            self.fill_uv(quad, rgb, label, glow)

    def texture(self, texture: np.ndarray, quad: np.ndarray, label: int) -> None:
        """Map a texture on a quad of world points: top left, top right, bottom right, bottom left."""
        uv = self.camera.project(quad).astype(np.float32)
        h, w = self.label.shape
        lo = np.clip(np.floor(uv.min(axis=0)).astype(int) - 1, 0, [w, h])
        hi = np.clip(np.ceil(uv.max(axis=0)).astype(int) + 2, 0, [w, h])
        if (hi <= lo).any():
            return
        th, tw = texture.shape[:2]
        corners = np.array([[0, 0], [tw, 0], [tw, th], [0, th]], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(corners, uv - lo.astype(np.float32))
        size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
        warped = cv2.warpPerspective(texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillPoly(mask, [fixed(uv - lo)], 1, cv2.LINE_8, SHIFT)
        view = (slice(lo[1], hi[1]), slice(lo[0], hi[0]))
        cv2.copyTo(warped, mask, self.image[view])
        self.label[view][mask > 0] = label


def value_noise(rng: np.random.Generator, size: int = 512, octaves: tuple[int, ...] = (8, 32, 128, 512)) -> np.ndarray:
    """Seamless-enough multi-octave noise, mean 0, about -1..1."""
    out = np.zeros((size, size), np.float32)
    for cells in octaves:
        grid = rng.normal(size=(cells, cells)).astype(np.float32)
        out += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / len(octaves)
    return np.clip(out, -1.5, 1.5)


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """Blend two colours."""
    return tuple(float(x * (1 - t) + y * t) for x, y in zip(a, b, strict=True))


def scaled(rgb: RGB, k: float) -> RGB:
    """A colour made darker (k < 1) or lighter (k > 1)."""
    return tuple(float(min(255.0, c * k)) for c in rgb)


def pick(rng: np.random.Generator, options: tuple) -> tuple:
    """One of several options (colours stay tuples)."""
    return options[int(rng.integers(len(options)))]


def vary(rng: np.random.Generator, rgb: RGB, amount: float = 14.0) -> RGB:
    """A colour near the given one."""
    return tuple(min(250.0, max(4.0, c + float(n))) for c, n in zip(rgb, rng.normal(0, amount, 3), strict=True))
