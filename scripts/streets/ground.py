"""Sky and ground: what fills the canvas before anything stands on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import SHIFT, Canvas, clip_near, fixed
from .labels import PAVEMENT, ROAD, SKY
from .style import Style


@dataclass(frozen=True)
class Street:
    """The plan of the street, metres from its centre line."""

    half: float
    parking: tuple[float, float]
    pavement: float
    crossing: tuple[float, float] | None
    zebra: tuple[float, float] | None
    lamps: tuple[tuple[float, float], ...]
    patches: tuple[tuple[float, float, float, float, float], ...]

    @property
    def front(self) -> float:
        """Distance of the façades from the centre line."""
        return self.half + self.pavement


def draw_sky(canvas: Canvas, style: Style, rng: np.random.Generator) -> None:
    """Fill the whole canvas with sky; the mirrored canvas gets the mirrored sky."""
    cam = canvas.camera
    h, w = canvas.label.shape
    rows = (np.arange(h) + 0.5) / cam.scale - cam.horizon
    up = np.clip((rows if cam.mirror else -rows) / 130.0, 0, 1)[:, None]
    if style.night:
        stops = np.array([[242, 176, 128], [206, 164, 160], [130, 136, 168], [84, 96, 136]], float)
    else:
        stops = np.array([[222, 238, 248], [172, 212, 244], [112, 178, 236], [70, 146, 222]], float)
    at = np.linspace(0, 1, len(stops))
    sky = np.stack([np.interp(up[:, 0], at, stops[:, c]) for c in range(3)], axis=1)[:, None, :]
    sky = np.repeat(sky.astype(np.float32), w, axis=1)
    clouds = _streaks if style.night else _cumulus
    sky = clouds(sky, up, rng, cam.mirror)
    canvas.image[..., :3] = np.clip(sky, 0, 255)
    canvas.image[..., 3] = 150 if style.night else 0
    canvas.label[:] = SKY


def _streaks(sky: np.ndarray, up: np.ndarray, rng: np.random.Generator, mirror: bool) -> np.ndarray:
    """Long, flat clouds lit from below."""
    h, w = sky.shape[:2]
    cover = np.zeros((h, w), np.float32)
    for cells, weight in ((5, 0.5), (11, 0.3), (28, 0.2)):
        grid = rng.normal(size=(cells * 3, cells)).astype(np.float32)
        layer = cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC)
        cover += weight * (layer[::-1] if mirror else layer)
    cover = np.clip(cover * 1.3 + 0.25, 0, 1)[..., None]
    up = up[..., None].astype(np.float32)
    below = np.array([214, 150, 132], np.float32) * (1 - up) + np.array([92, 96, 122], np.float32) * up
    return sky * (1 - 0.75 * cover) + below * 0.75 * cover


def _cumulus(sky: np.ndarray, up: np.ndarray, rng: np.random.Generator, mirror: bool) -> np.ndarray:
    """A few heaped clouds with a flat, shaded base."""
    h, w = sky.shape[:2]
    k = w / 1024
    horizon = int(np.argmin(up[:, 0] > 0)) if not mirror else 0
    for _ in range(int(rng.integers(3, 7))):
        cx, base = rng.uniform(0, w), rng.uniform(0.12, 0.8) * max(horizon, 1)
        size = rng.uniform(0.5, 1.2) * (60 * k + 0.35 * (horizon - base))
        x0, x1 = int(max(cx - 3 * size, 0)), int(min(cx + 3 * size, w))
        y0, y1 = int(max(base - 1.6 * size, 0)), int(min(base + 8 * k, h))
        mask = np.zeros((max(y1 - y0, 1), max(x1 - x0, 1)), np.uint8)
        for _ in range(14):
            dx = float(np.clip(rng.normal(0, 0.9), -2.2, 2.2))
            r = size * rng.uniform(0.22, 0.5) * max(0.35, 1 - 0.3 * abs(dx))
            centre = (int(cx + dx * size) - x0, int(base - r * rng.uniform(0.1, 1.0)) - y0)
            cv2.circle(mask, centre, max(1, int(r)), 255, -1)
        mask[max(int(base) - y0, 0) :] = 0
        soft = cv2.GaussianBlur(mask, (0, 0), 2.2 * k)[..., None] / 255.0
        lit = np.clip((base - np.arange(y0, y0 + len(mask))) / (0.7 * size), 0, 1)[:, None, None]
        colour = np.array([206, 220, 238.0]) * (1 - lit) + np.array([255, 255, 252.0]) * lit
        part = sky[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
        part[:] = part * (1 - 0.92 * soft) + colour * 0.92 * soft
    return sky


def draw_ground(canvas: Canvas, style: Style, street: Street, hulls: Sequence[np.ndarray]) -> None:
    """Road and pavements by casting every pixel below the horizon on the ground plane."""
    cam = canvas.camera
    h, w = canvas.label.shape
    top = int(np.ceil(cam.horizon * cam.scale)) + 1
    v = (np.arange(top, h) + 0.5) / cam.scale
    z = np.repeat((cam.focal * cam.height / (v - cam.horizon))[:, None], w, axis=1).astype(np.float32)
    u = ((np.arange(w) + 0.5) / cam.scale)[None, :].astype(np.float32)
    x = (u - cam.centre) * z / cam.focal + cam.side - cam.bend * z * z
    road = np.abs(x) < street.half
    if street.crossing:
        road |= (z > street.crossing[0]) & (z < street.crossing[1])
    colour = np.where(road[..., None], _road(x, z, canvas, style, street), _paving(x, z, canvas, style, street))
    colour = _light(colour, x, z, canvas, style, street, _shadow(canvas, style, hulls)[top:])
    canvas.image[top:, :, :3] = np.clip(colour, 0, 255)
    canvas.image[top:, :, 3] = 0
    canvas.label[top:] = np.where(road, ROAD, PAVEMENT)
    canvas.gloss[top:] = _gloss(x, z, road, canvas) if style.night else 0


def _sample(noise: np.ndarray, x: np.ndarray, z: np.ndarray, per_metre: float) -> np.ndarray:
    n = noise.shape[0]
    return noise[(z * per_metre).astype(np.int32) % n, (x * per_metre).astype(np.int32) % n]


def _road(x: np.ndarray, z: np.ndarray, canvas: Canvas, style: Style, street: Street) -> np.ndarray:
    near = np.clip(1.2 - z / 30, 0, 1)
    tone = 1 + 0.10 * near * _sample(canvas.noise, x, z, 40) + 0.07 * _sample(canvas.noise, x, z, 5)
    tone -= 0.05 * np.exp(-(((np.abs(x) - street.half * 0.34) % 1.5 - 0.75) ** 2) / 0.05) * near
    for x0, x1, z0, z1, shade in street.patches:
        tone[(x > x0) & (x < x1) & (z > z0) & (z < z1)] *= shade
        lid = (x - x0 * 0.6) ** 2 + (z - z0 - 2.0) ** 2  # a manhole cover near every patch
        tone = np.where(lid < 0.13, np.where((lid > 0.09) | ((x * 14) % 2 < 0.7), 0.6, 0.85), tone)
    colour = tone[..., None] * np.asarray(style.asphalt, np.float32)
    paint = _markings(x, z, style, street) * (0.92 + 0.08 * _sample(canvas.noise, x, z, 30))
    white = np.broadcast_to(np.asarray(style.marking, np.float32), colour.shape)
    if style.night:  # this city paints its centre lines yellow
        middle = np.abs(x) < 0.3
        if street.zebra:
            middle &= (z < street.zebra[0]) | (z > street.zebra[1])
        white = np.where(middle[..., None], np.array([226, 170, 52], np.float32), white)
    return colour * (1 - paint[..., None]) + white * paint[..., None]


def _markings(x: np.ndarray, z: np.ndarray, style: Style, street: Street) -> np.ndarray:
    """Where the road is painted, 0..1."""
    double, dashed = np.abs(np.abs(x) - 0.16) < 0.06, (np.abs(x) < 0.09) & ((z + 1.0) % 6 < 3)
    line = double if style.night else dashed
    for sign, parking in zip((-1, 1), street.parking, strict=True):
        edge = street.half - (parking or 0.45)
        bays = parking > 0
        line |= (np.abs(x * sign - edge) < 0.07) & ((z % 1.2 < 0.6) | (not bays))
        if bays:
            line |= (x * sign > edge) & (z % 5.6 < 0.12)
    if street.crossing:
        line &= (z < street.crossing[0] - 0.5) | (z > street.crossing[1] + 0.5)
    if street.zebra:
        z0, z1 = street.zebra
        line &= (z < z0 - 1.0) | (z > z1 + 0.6)
        line |= (z > z0) & (z < z1) & ((x + 50) % 1.1 < 0.55) & (np.abs(x) < street.half - 0.2)
        line |= (z > z0 - 1.4) & (z < z0 - 1.0) & (x > 0) & (x < street.half - 0.3)
    return line.astype(np.float32) * 0.92


def _paving(x: np.ndarray, z: np.ndarray, canvas: Canvas, style: Style, street: Street) -> np.ndarray:
    near = np.clip(1.3 - z / 22, 0, 1)
    size = 1.1 if style.night else 0.62
    cell = (np.floor(x / size) * 31 + np.floor(z / size) * 17).astype(np.int32) % 512
    tone = 1 + 0.06 * near * canvas.noise[7, cell] * 2 + 0.05 * _sample(canvas.noise, x, z, 6)
    joint = ((x % size) < 0.045) | ((z % size) < 0.06)
    tone -= 0.17 * joint * near
    colour = tone[..., None] * np.asarray(style.paving, np.float32)
    edge = np.abs(x) - street.half
    kerb = (edge < 0.28) & (edge >= 0)
    gutter = (edge < 0.05) & (edge >= -0.2)
    colour[kerb] = np.asarray(style.kerb, np.float32) * np.where(z % 1.0 < 0.06, 0.85, 1.0)[kerb][:, None]
    colour[kerb & (edge < 0.1)] *= 0.72
    colour[gutter] *= 0.8
    return colour


def _shadow(canvas: Canvas, style: Style, hulls: Sequence[np.ndarray]) -> np.ndarray:
    """Sun shadow and contact shadow on the ground as (H, W, 2), 0..1."""
    h, w = canvas.label.shape
    cast, contact = np.zeros((h, w), np.uint8), np.zeros((h, w), np.uint8)
    sx, sy, sz = canvas.light.sun
    for hull in hulls:
        if not style.night:
            _stamp(canvas, cast, hull[:, [0, 2]] - hull[:, 1:2] * np.array([[sx, sz]]) / sy)
        if hull[:, 1].min() < 0.5 and len(hull) < 40:
            _stamp(canvas, contact, hull[:, [0, 2]])
    k = canvas.camera.scale
    return np.stack([cv2.GaussianBlur(cast, (0, 0), 0.7 * k), cv2.GaussianBlur(contact, (0, 0), 2.5 * k)], 2) / np.float32(255)


def _stamp(canvas: Canvas, mask: np.ndarray, flat: np.ndarray) -> None:
    outline = cv2.convexHull(flat.astype(np.float32))[:, 0]
    points = clip_near(np.stack([outline[:, 0], 0 * outline[:, 0], outline[:, 1]], axis=1))
    if len(points) >= 3:
        cv2.fillPoly(mask, [fixed(canvas.camera.project(points))], 255, cv2.LINE_8, SHIFT)


def _light(
    colour: np.ndarray, x: np.ndarray, z: np.ndarray, canvas: Canvas, style: Style, street: Street, shadow: np.ndarray
) -> np.ndarray:
    light = canvas.light
    sun = (1 - shadow[..., :1]) * max(0.0, light.sun[1]) * np.asarray(light.sun_rgb)
    level = (np.asarray(light.ambient) + sun).astype(np.float32)
    if style.night:
        pool = np.zeros_like(x)
        for lx, lz in street.lamps:
            pool += np.exp(-((x - lx) ** 2 + (z - lz) ** 2) / np.float32(14))
        level = level + pool[..., None] * np.array([0.70, 0.46, 0.2], np.float32)
    colour = colour * (level * (1 - np.float32(0.45) * shadow[..., 1:]))
    t = (1 - np.exp(-z / np.float32(light.haze_far)))[..., None]
    return colour * (1 - t) + np.asarray(light.haze_rgb, np.float32) * t


def _gloss(x: np.ndarray, z: np.ndarray, road: np.ndarray, canvas: Canvas) -> np.ndarray:
    """How much of the mirrored world the wet ground shows."""
    puddle = np.clip(0.5 + 0.9 * _sample(canvas.noise, x, z, 3.1), 0, 1)
    fresnel = np.clip(0.35 + z / 26, 0, 1)
    return (np.where(road, 0.30 + 0.5 * puddle, 0.12 + 0.34 * puddle) * fresnel).astype(np.float32)
