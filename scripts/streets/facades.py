"""Flat façade textures, drawn in metres on a board and later mapped in perspective."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import RGB, Canvas, mix, pick, scaled, vary
from .style import Style

SIGNS = ((222, 62, 60), (48, 122, 200), (246, 180, 60), (60, 160, 110), (236, 236, 230), (96, 60, 130))


class Wall:
    """A board in metres, origin at the bottom left, with as many pixels as the view can show."""

    def __init__(self, width: float, height: float, density: tuple[float, float], rgb: RGB) -> None:
        self.width, self.height = width, height
        w = int(np.clip(width * density[0], 4, 900))
        h = int(np.clip(height * density[1], 4, 900))
        self.kx, self.ky = w / width, h / height
        self.pixels = np.empty((h, w, 4), np.uint8)
        self.pixels[:] = (*(int(c) for c in rgb), 0)
        self.rgb = rgb

    @classmethod
    def fitting(cls, canvas: Canvas, quad: np.ndarray, width: float, height: float, rgb: RGB) -> Wall:
        """A board whose pixel density suits the quad it will be mapped on."""
        cam = canvas.camera
        near = max(float(quad[:, 2].min()), 9.0)
        ky = cam.pixels(1.0, near)
        flat = np.ptp(quad[:, 2]) < 0.1
        kx = ky if flat else cam.pixels(abs(float(quad[:, 0].mean()) - cam.side), near) / near
        return cls(width, height, (float(np.clip(1.2 * kx, 2, 32)), float(np.clip(ky, 2, 36))), rgb)

    def rect(self, x0: float, y0: float, x1: float, y1: float, rgb: RGB, glow: int = 0) -> None:
        """Fill a rectangle; what is thinner than a third of a pixel is left out."""
        if (x1 - x0) * self.kx < 0.35 or (y1 - y0) * self.ky < 0.35:
            return
        h = self.pixels.shape[0]
        left, top = int(x0 * self.kx + 0.5), h - int(y1 * self.ky + 0.5)
        right, low = int(x1 * self.kx + 0.5) - 1, h - int(y0 * self.ky + 0.5) - 1
        cv2.rectangle(self.pixels, (left, top), (max(right, left), max(low, top)), (*rgb, glow), -1)

    def finished(self, canvas: Canvas, normal: RGB, ends: tuple[float, float]) -> np.ndarray:
        """The lit, slightly stained and hazed texture; ``ends`` are the depths left and right."""
        h, w = self.pixels.shape[:2]
        stain = cv2.resize(canvas.noise[: 96 + h % 64, : 96 + w % 64], (w, h), interpolation=cv2.INTER_LINEAR)
        low = np.linspace(0, 1, h, dtype=np.float32)[:, None] ** 6
        tone = 1 + 0.09 * stain - 0.10 * low
        t = 1 - np.exp(-np.linspace(ends[0], ends[1], w, dtype=np.float32) / canvas.light.haze_far)
        gain = tone * (1 - t)
        level, haze = canvas.light.factor(normal), canvas.light.haze_rgb
        out = self.pixels.copy()
        metres = np.linspace(self.height, 0, h, dtype=np.float32)[:, None]
        pool = np.exp(-(((metres - 2.2) / 2.8) ** 2))
        for c in range(3):
            lift = np.float32(level[c]) + np.float32(canvas.light.street[c]) * pool
            lit = self.pixels[..., c] * (gain * lift) + t * np.float32(haze[c])
            out[..., c] = np.minimum(lit, 255)
        shining = self.pixels[..., 3] > 0
        if shining.any():
            glow = self.pixels[shining][:, 3:] / np.float32(255)
            out[shining, :3] = out[shining, :3] * (1 - glow) + self.pixels[shining, :3] * glow
        return out


def draw_facade(board: Wall, style: Style, kind: str, floors: int, rng: np.random.Generator) -> None:
    """Draw one façade of the given kind on the board."""
    if kind == "brick":
        _bricks(board)
    elif kind == "glass":
        _curtain(board, style, rng)
        return
    _storeys(board, style, kind, floors, rng)
    _ground_floor(board, style, kind, rng)
    top = 3.9 + 3.1 * (floors - 1)
    board.rect(0, top - 0.45, board.width, top, scaled(board.rgb, 1.12))
    board.rect(0, top - 0.55, board.width, top - 0.45, scaled(board.rgb, 0.72))
    if board.height > top + 0.2:
        board.rect(0, top, board.width, board.height, scaled(board.rgb, 0.94))
        board.rect(0, board.height - 0.18, board.width, board.height, scaled(board.rgb, 0.7))


def _bricks(board: Wall) -> None:
    """Brick courses and joints where the density can show them."""
    joint = scaled(board.rgb, 0.80)
    if board.ky >= 14:
        for row, y in enumerate(np.arange(0, board.height, 0.22)):
            board.rect(0, y, board.width, y + 0.05, joint)
            if board.kx >= 20:
                for x in np.arange(0.25 * (row % 2), board.width, 0.5):
                    board.rect(x, y, x + 0.04, y + 0.22, joint)


def _pane(style: Style, rng: np.random.Generator) -> tuple[RGB, int]:
    """Colour and glow of one window."""
    if rng.random() < style.lit:
        warm = pick(rng, ((255, 176, 80), (255, 198, 122), (250, 156, 62), (210, 226, 240)))
        return vary(rng, warm, 8), int(rng.integers(110, 225))
    return (vary(rng, (54, 62, 82), 8), 0) if style.night else (vary(rng, (92, 128, 164), 10), 0)


def _storeys(board: Wall, style: Style, kind: str, floors: int, rng: np.random.Generator) -> None:
    pitch = {"plaster": 2.5, "stone": 2.2, "white": 3.2, "brick": 2.3, "concrete": 3.0}[kind] * rng.uniform(0.9, 1.15)
    columns = max(1, int(board.width / pitch))
    pitch = board.width / columns
    shutter = pick(rng, ((74, 120, 96), (92, 110, 150), (150, 84, 66), (236, 232, 222)))
    trim = pick(rng, ((252, 248, 238), scaled(board.rgb, 1.16), scaled(board.rgb, 0.8)))
    balcony = int(rng.integers(1, 4))
    for floor in range(1, floors):
        y = 3.9 + 3.1 * (floor - 1)
        if y > board.height:
            break
        if kind in ("stone", "white"):
            board.rect(0, y, board.width, y + 0.16, scaled(board.rgb, 0.86))
        if kind == "concrete":
            _strip(board, style, y, pitch, rng)
            continue
        for c in range(columns):
            x = (c + 0.5) * pitch
            _window(board, style, kind, (x, y), (trim, shutter), rng)
            if kind != "plaster" and floor % balcony == 0 and c % 2 == 0:
                _balcony(board, x, y, style)


def _window(
    board: Wall,
    style: Style,
    kind: str,
    at: tuple[float, float],
    colours: tuple[RGB, RGB],
    rng: np.random.Generator,
) -> None:
    half, low, high = {
        "plaster": (0.55, 0.75, 2.35),
        "stone": (0.5, 0.45, 2.5),
        "white": (1.0, 0.8, 2.3),
        "brick": (0.58, 0.8, 2.55),
    }[kind]
    (x, y), (trim, shutter) = at, colours
    glass, glow = _pane(style, rng)
    board.rect(x - half - 0.16, y + low - 0.12, x + half + 0.16, y + high + 0.18, trim)
    board.rect(x - half, y + low, x + half, y + high, glass, glow)
    if not glow:
        board.rect(x - half, y + (low + high) / 2, x + half, y + high, mix(glass, (190, 214, 232), 0.25))
        board.rect(x - half, y + high - 0.22, x + half, y + high, scaled(glass, 0.6))
    elif rng.random() < 0.5:
        board.rect(x - half, y + low, x - half * 0.4, y + high, scaled(glass, 0.72), glow // 2)
    frame = scaled(trim, 0.96)
    board.rect(x - 0.04, y + low, x + 0.04, y + high, frame)
    board.rect(x - half, y + low + (high - low) * 0.6, x + half, y + low + (high - low) * 0.6 + 0.07, frame)
    board.rect(x - half - 0.22, y + low - 0.24, x + half + 0.22, y + low - 0.1, scaled(trim, 0.86))
    board.rect(x - half - 0.16, y + low - 0.36, x + half + 0.16, y + low - 0.24, scaled(board.rgb, 0.74))
    if kind == "plaster":
        for s in (-1, 1):
            x0, x1 = sorted((x + s * (half + 0.08), x + s * (half + 0.58)))
            board.rect(x0, y + low - 0.08, x1, y + high + 0.08, shutter)
            for k in np.arange(low, high, 0.22):
                board.rect(x0 + 0.06, y + k, x1 - 0.06, y + k + 0.07, scaled(shutter, 0.78))


def _balcony(board: Wall, x: float, y: float, style: Style) -> None:
    dark = (58, 60, 66)
    board.rect(x - 0.95, y + 0.18, x + 0.95, y + 0.34, scaled(board.rgb, 0.7))
    board.rect(x - 0.95, y + 1.2, x + 0.95, y + 1.28, dark)
    step = 0.2 if not style.night else 0.3
    for k in np.arange(-0.95, 0.96, step):
        board.rect(x + k - 0.025, y + 0.34, x + k + 0.025, y + 1.2, dark)


def _strip(board: Wall, style: Style, y: float, pitch: float, rng: np.random.Generator) -> None:
    """A ribbon of office windows."""
    board.rect(0, y + 0.7, board.width, y + 2.6, (70, 72, 80))
    for x in np.arange(0.1, board.width - 0.2, pitch / 2):
        glass, glow = _pane(style, rng)
        board.rect(x, y + 0.78, min(x + pitch / 2 - 0.1, board.width - 0.1), y + 2.5, glass, glow)
    board.rect(0, y + 0.55, board.width, y + 0.7, scaled(board.rgb, 1.15))


def _curtain(board: Wall, style: Style, rng: np.random.Generator) -> None:
    """A glass curtain wall with a bright lobby."""
    board.rect(0, 0, board.width, board.height, (82, 92, 108))
    for y in np.arange(4.2, board.height - 0.4, 1.75):
        whole = rng.random() < 0.18
        for x in np.arange(0.05, board.width - 0.2, 1.5):
            glass, glow = _pane(style, rng) if whole or rng.random() < 0.4 else (vary(rng, (70, 88, 116), 9), 0)
            board.rect(x, y, min(x + 1.38, board.width), y + 1.6, glass, glow)
    board.rect(0, 0.3, board.width, 3.6, (244, 208, 150), 170)
    for x in np.arange(0, board.width, 2.0):
        board.rect(x, 0, x + 0.18, 4.1, (52, 56, 64))
    board.rect(0, 3.6, board.width, 4.1, (60, 64, 74))


def _ground_floor(board: Wall, style: Style, kind: str, rng: np.random.Generator) -> None:
    board.rect(0, 0, board.width, 0.55, scaled(board.rgb, 0.66))
    if rng.random() < (0.6 if kind != "white" else 0.3):
        _shop(board, style, rng)
        return
    door = rng.uniform(1.0, max(1.1, board.width - 2.0))
    for x in np.arange(0.6, board.width - 1.4, 2.4):
        if abs(x + 0.6 - door) > 1.4:
            glass, glow = _pane(style, rng)
            board.rect(x - 0.14, 0.96, x + 1.34, 2.76, scaled(board.rgb, 1.14))
            board.rect(x, 1.1, x + 1.2, 2.6, glass, glow)
            board.rect(x + 0.56, 1.1, x + 0.64, 2.6, scaled(board.rgb, 1.1))
    board.rect(door - 0.78, 0, door + 0.78, 2.9, scaled(board.rgb, 1.16))
    wood = pick(rng, ((122, 70, 48), (58, 92, 84), (60, 74, 112), (140, 44, 44)))
    board.rect(door - 0.6, 0, door + 0.6, 2.3, wood)
    board.rect(door - 0.45, 1.2, door + 0.45, 2.1, scaled(wood, 0.75))
    board.rect(door - 0.6, 2.35, door + 0.6, 2.75, *_pane(style, rng))


def _shop(board: Wall, style: Style, rng: np.random.Generator) -> None:
    frame = vary(rng, pick(rng, ((54, 60, 70), (120, 76, 52), (44, 86, 92), (128, 44, 52))), 6)
    name = pick(rng, SIGNS)
    glow = int(rng.integers(120, 220)) if style.night else 0
    board.rect(0.3, 0, board.width - 0.3, 3.6, frame)
    board.rect(0.4, 2.85, board.width - 0.4, 3.5, name, glow // 2)
    x = rng.uniform(0.8, 1.4)
    while x < board.width - 1.2:
        w = rng.uniform(0.25, 0.5)
        board.rect(x, 3.0, x + w, 3.35, (250, 248, 240) if sum(name) < 560 else (60, 52, 50), glow)
        x += w + 0.14
    inside = (255, 178, 92) if style.night else (120, 146, 164)
    for x in np.arange(0.5, board.width - 1.0, 1.9):
        wide = min(1.75, board.width - 0.5 - x)
        board.rect(x, 0.6, x + wide, 2.7, vary(rng, inside, 8), glow)
        for k in range(3):
            item = vary(rng, pick(rng, SIGNS), 20)
            px = x + 0.15 + k * 0.5
            board.rect(px, 0.65, px + 0.35, 0.9 + rng.uniform(0, 0.9), scaled(item, 0.8), glow // 3)
        if style.night:
            board.rect(x, 2.45, x + wide, 2.7, (255, 226, 170), glow)
            board.rect(x, 1.45, x + wide, 1.52, scaled(inside, 0.55), glow // 2)
        else:
            board.rect(x, 1.9, x + wide, 2.7, (150, 182, 204))
