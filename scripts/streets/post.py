"""From linear light to the file of a camera: exposure, tone curve; at dusk also lens and sensor."""

from __future__ import annotations

import numpy as np


def develop(light: np.ndarray, domain: str, seed: int) -> np.ndarray:
    """(H, W, 3) linear light → (H, W, 3) uint8 sRGB."""
    rng = np.random.default_rng(seed)
    if domain == "noon":
        return _to_bytes(_tone(light * 1.05))
    exposure = rng.uniform(1.1, 1.65)
    cast = np.array([1.06, 1.0, 0.92]) ** rng.uniform(-1, 1.5)
    light = _glow(light * exposure * cast)
    light = _blur(light, sigma_x=rng.uniform(0.35, 0.95), sigma_y=rng.uniform(0.35, 0.6))
    light = light * _vignette(light.shape[:2], rng.uniform(0.3, 0.6))
    shot = rng.normal(size=light.shape) * np.sqrt(np.maximum(light, 0) * 0.0016)
    read = rng.normal(size=light.shape) * 0.006
    return _to_bytes(_tone(np.maximum(light + shot + read, 0)))


def _tone(light: np.ndarray) -> np.ndarray:
    """A filmic curve (the rational fit of ACES by K. Narkowicz, 2015), then sRGB."""
    x = light * 0.75
    shown = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)


def _to_bytes(shown: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def _kernel(sigma: float) -> np.ndarray:
    radius = max(1, int(3 * sigma + 0.5))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def _blur(light: np.ndarray, sigma_x: float, sigma_y: float) -> np.ndarray:
    """Gaussian along rows and columns; the wider one along x stands for motion."""
    for axis, sigma in ((1, sigma_x), (0, sigma_y)):
        kernel = _kernel(sigma)
        radius = len(kernel) // 2
        width = [(radius, radius) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(light, width, "edge")
        light = sum(w * np.take(padded, np.arange(k, k + light.shape[axis]), axis) for k, w in enumerate(kernel))
    return light


def _glow(light: np.ndarray) -> np.ndarray:
    """Light that strays around lamps."""
    bright = np.clip(light - 1.2, 0, 12)
    return light + 0.05 * _blur(bright, 5, 5) + 0.03 * _blur(bright, 16, 12)


def _vignette(size: tuple[int, int], strength: float) -> np.ndarray:
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    return (1 - strength * 0.5 * (x**2 + y**2))[..., None]
