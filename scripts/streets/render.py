"""Turns a scene into an image and its label: passes, reflections, lens and sensor."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .buildings import Building
from .canvas import HEIGHT, WIDTH, Canvas, value_noise
from .ground import draw_ground, draw_sky
from .labels import PAVEMENT, ROAD, VOID
from .scene import Scene, make_scene
from .style import STYLES

DOMAINS = tuple(STYLES)


def render(domain: str, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Image (256, 512, 3) RGB uint8 and label (256, 512) uint8; depends on the three arguments only."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([DOMAINS.index(domain), seed, index])
    scene = make_scene(STYLES[domain], rng)
    noise = value_noise(rng)
    canvas = Canvas(scene.camera, scene.light, noise)
    draw_sky(canvas, scene.style, np.random.default_rng(scene.sky_seed))
    hulls = [hull for thing in scene.things for hull in thing.hulls()]
    draw_ground(canvas, scene.style, scene.street, hulls)
    for thing in scene.things:
        thing.draw(canvas)
    image = _develop(canvas, scene)
    if scene.bonnet:
        _bonnet(image, canvas, rng)
    label = canvas.label[1::2, 1::2].copy()
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    small = _dash_camera(small, rng) if scene.style.night else _clean_camera(small)
    return small, label


def _mirror(scene: Scene, noise: np.ndarray) -> np.ndarray:
    """The world as the wet ground sees it, at final size."""
    canvas = Canvas(replace(scene.camera, scale=1, mirror=True), scene.light, noise)
    draw_sky(canvas, scene.style, np.random.default_rng(scene.sky_seed))
    for thing in scene.things:
        if thing.depth < (75 if isinstance(thing, Building) else 45):  # beyond, it is blurred away
            thing.draw(canvas)
    blurred = cv2.GaussianBlur(canvas.image, (0, 0), sigmaX=1.3, sigmaY=5.0)
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    wobble = cv2.resize(noise[:96], (WIDTH, HEIGHT))
    return cv2.remap(blurred, u + 3.5 * wobble, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _develop(canvas: Canvas, scene: Scene) -> np.ndarray:
    """Reflections and bloom on the supersampled picture, float RGB."""
    h, w = canvas.label.shape
    image = canvas.image[..., :3].astype(np.float32)
    glow = canvas.image[..., 3:].astype(np.float32) / 255
    if not scene.style.night:
        return image
    ground = np.isin(canvas.label, (ROAD, PAVEMENT))
    mirror = cv2.resize(_mirror(scene, canvas.noise), (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    k = np.where(ground, canvas.gloss, 0)[..., None]
    image = image * (1 - k) + mirror[..., :3] * k * 0.95
    sky = (canvas.label == 0)[..., None]
    source = cv2.resize(image * np.where(sky, 0, glow), (w // 4, h // 4), interpolation=cv2.INTER_AREA)
    bloom = 0.75 * cv2.GaussianBlur(source, (0, 0), 3) + 1.15 * cv2.GaussianBlur(source, (0, 0), 14)
    bloom = cv2.resize(bloom, (w, h), interpolation=cv2.INTER_LINEAR)
    return 255 - (255 - np.clip(image, 0, 255)) * (1 - np.clip(bloom / 255, 0, 0.95))


def _bonnet(image: np.ndarray, canvas: Canvas, rng: np.random.Generator) -> None:
    """The observer's own bonnet at the lower edge, labelled void."""
    h, w = canvas.label.shape
    x = np.linspace(-1.05, 1.05, w, dtype=np.float32)
    top = h * (0.925 + 0.10 * x**4 + float(rng.uniform(-0.01, 0.01)))
    rows = np.arange(h, dtype=np.float32)[:, None]
    mask = rows > top[None, :]
    depth = np.clip((rows - top[None, :]) / (0.09 * h), 0, 1)[..., None]
    colour = np.array([96, 98, 116.0]) * (1 - depth) + np.array([34, 34, 42.0]) * depth
    image[mask] = colour[mask]
    canvas.label[mask] = VOID


def _clean_camera(image: np.ndarray) -> np.ndarray:
    """A crisp, slightly contrasty picture."""
    out = image / 255.0
    out = out + 0.10 * (out - 0.5) * (1 - np.abs(2 * out - 1))
    return np.clip(out * 255 + 0.5, 0, 255).astype(np.uint8)


def _dash_camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft lens, vignette, colour cast, sensor noise and a coarse JPEG of its own."""
    h, w = image.shape[:2]
    out = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 0.8)))
    v, u = np.mgrid[0:h, 0:w].astype(np.float32)
    radius = ((u - w / 2) / (w / 2)) ** 2 + ((v - h / 2) / (h / 2)) ** 2
    out = out * (1 - 0.17 * radius)[..., None] * rng.normal(1.0, 0.025, 3)
    coarse = cv2.resize(rng.normal(0, 2.6, (h // 2, w // 2, 3)), (w, h), interpolation=cv2.INTER_LINEAR)
    out = out + coarse + rng.normal(0, 3.2, (h, w, 1))
    packed = cv2.imencode(".jpg", np.clip(out, 0, 255).astype(np.uint8)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 62])[1]
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])
