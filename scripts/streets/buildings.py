"""Houses: walls, roofs, and bay by bay what the style puts on the front, which looks along −x until the house is turned."""

from __future__ import annotations

import numpy as np

from scripts.streets.mesh import Mesh
from scripts.streets.street import Building

FLOOR = {"plaster": 3.1, "brick": 3.2, "concrete": 3.0, "glass": 3.3}
GROUND = {"plaster": 3.6, "brick": 4.0, "concrete": 3.8, "glass": 4.4}


def make_building(building: Building) -> Mesh:
    """One house in the coordinates of the street."""
    rng = np.random.default_rng(building.seed)
    mesh = Mesh()
    front = _FRONTS[building.style]
    length, depth = building.length, building.depth
    height = GROUND[building.style] + FLOOR[building.style] * (building.floors - 1)
    mesh.box((depth / 2, length / 2, height / 2), (depth, length, height), "wall")
    front(mesh, building, height, rng)
    _side_windows(mesh, building, rng)
    if building.style == "plaster":
        _gable_roof(mesh, length, depth, height, rng)
    else:
        _flat_roof(mesh, length, depth, height, building.style, rng)
    if building.side > 0:
        return mesh.moved((building.x, building.y, 0))
    if building.side < 0:
        return mesh.moved((building.x, building.y + length, 0), yaw=np.pi)
    return (
        mesh.moved((building.x, building.y, 0), yaw=np.pi / 2).moved((length, 0, 0)) if building.side else _turned(mesh, building)
    )


def _turned(mesh: Mesh, building: Building) -> Mesh:
    """Front towards −y: x of the house becomes y, y becomes −x."""
    return mesh.moved((building.x, building.y, 0), yaw=np.pi / 2).moved((building.length, 0, 0))


def _bays(length: float, width: float) -> np.ndarray:
    """Centres of equal bays of about ``width`` metres."""
    count = max(2, int(length / width))
    return (np.arange(count) + 0.5) * length / count


def _window(width: float, height: float, glass: str, frame: str, *, bars: bool = True, x: float = 0.0) -> Mesh:
    """A window around the origin in a wall at x = 0, seen from −x."""
    mesh = Mesh().box((x - 0.005, 0, 0), (0.03, width, height), glass)
    for dy, dz, w, h in (
        (0, height / 2, width + 0.16, 0.09),
        (0, -height / 2, width + 0.16, 0.09),
        (width / 2, 0, 0.08, height),
        (-width / 2, 0, 0.08, height),
    ):
        mesh.box((x - 0.03, dy, dz), (0.08, w, h), frame)
    if bars:
        mesh.box((x - 0.025, 0, 0), (0.05, 0.05, height), frame)
        mesh.box((x - 0.025, 0, height * 0.12), (0.05, width, 0.05), frame)
    return mesh


def _scatter(mesh: Mesh, places: np.ndarray, dark: Mesh, lit: Mesh, share_lit: float, rng: np.random.Generator) -> None:
    """Dark windows at most places, lit ones at the others."""
    if len(places) == 0:
        return
    is_lit = rng.random(len(places)) < share_lit
    mesh.repeat(dark, places[~is_lit])
    mesh.repeat(lit, places[is_lit])


def _grid(ys: np.ndarray, floors: int, ground: float, floor: float, rise: float) -> np.ndarray:
    """(n, 3) places of the windows of all upper floors."""
    return np.array([(0.0, y, ground + floor * k + rise) for k in range(floors - 1) for y in ys]).reshape(-1, 3)


def _plaster_front(mesh: Mesh, building: Building, height: float, rng: np.random.Generator) -> None:
    length, floors = building.length, building.floors
    ys = _bays(length, rng.uniform(2.2, 2.9))
    shutter = str(rng.choice(["shutter green", "shutter blue", "shutter brown"]))
    window = _window(1.05, 1.55, "glass", "white")
    window.box((-0.08, 0, -0.86), (0.22, 1.4, 0.07), "stone")
    if rng.random() < 0.7:
        window.boxes([(-0.05, -0.83, 0), (-0.05, 0.83, 0)], (0.06, 0.50, 1.6), shutter)
    else:
        window.box((-0.07, 0, 0.93), (0.16, 1.35, 0.14), "stone")
    mesh.repeat(window, _grid(ys, floors, 3.6, 3.1, 1.35))
    door = int(rng.integers(len(ys)))
    is_shop = rng.random() < 0.35
    for k, y in enumerate(ys):
        if k == door:
            mesh.box((-0.03, y, 1.15), (0.08, 1.05, 2.3), "door").box((-0.06, y, 2.4), (0.14, 1.35, 0.18), "stone")
            mesh.box((-0.25, y, 0.1), (0.5, 1.5, 0.2), "stone")
        elif is_shop:
            mesh.repeat(_window(1.9, 2.0, "glass", shutter, bars=False), [(0, y, 1.45)])
        else:
            mesh.repeat(window, [(0, y, 1.75)])
    if is_shop:
        _awning(mesh, length, str(rng.choice(["awning red", "awning green", "awning cream"])))
    mesh.boxes([(-0.03, length / 2, 3.35), (-0.09, length / 2, height - 0.1)], (0.2, length, 0.2), "stone")
    mesh.box((-0.02, length / 2, 0.35), (0.06, length, 0.7), "plinth")
    if rng.random() < 0.4 and floors > 2:
        _balcony(mesh, ys[int(rng.integers(len(ys)))], 3.65, "iron")


def _awning(mesh: Mesh, length: float, material: str) -> None:
    corners = [(0, 0.3, 3.1), (0, length - 0.3, 3.1), (-1.1, length - 0.3, 2.55), (-1.1, 0.3, 2.55)]
    mesh.add(corners, [[0, 1, 2, 3]], material)
    mesh.box((-1.1, length / 2, 2.45), (0.03, length - 0.6, 0.22), material)


def _balcony(mesh: Mesh, y: float, z: float, rail: str) -> None:
    mesh.box((-0.55, y, z), (1.1, 2.0, 0.14), "stone")
    mesh.boxes([(-1.05, y + dy, z + 0.5) for dy in np.arange(-0.95, 1.0, 0.16)], (0.025, 0.025, 0.9), rail)
    mesh.box((-1.05, y, z + 0.97), (0.05, 2.0, 0.05), rail)


def _brick_front(mesh: Mesh, building: Building, height: float, rng: np.random.Generator) -> None:
    length, floors = building.length, building.floors
    ys = _bays(length, rng.uniform(2.4, 3.1))
    dark, lit = (_window(1.1, 1.9, glass, "dark frame") for glass in ("glass", "lit glass"))
    for window in (dark, lit):
        window.box((-0.06, 0, 1.08), (0.14, 1.5, 0.24), "concrete trim").box((-0.08, 0, -1.02), (0.2, 1.4, 0.1), "concrete trim")
    _scatter(mesh, _grid(ys, floors, 4.0, 3.2, 1.5), dark, lit, 0.25, rng)
    shop_dark, shop_lit = (_window(2.0, 2.4, glass, "dark frame", bars=False) for glass in ("glass", "shop glass"))
    _scatter(mesh, np.array([(0, y, 1.55) for y in ys]), shop_dark, shop_lit, 0.5, rng)
    mesh.box((-0.06, length / 2, 3.25), (0.16, length, 0.65), str(rng.choice(["fascia dark", "fascia red", "fascia green"])))
    mesh.boxes([(-0.10, length / 2, height - 0.15), (-0.05, length / 2, height - 0.6)], (0.26, length, 0.24), "concrete trim")
    if rng.random() < 0.4:  # fire escape
        y = ys[len(ys) // 2]
        for k in range(1, floors):
            _balcony(mesh, y, 4.0 + 3.2 * (k - 1) + 0.1, "iron")


def _concrete_front(mesh: Mesh, building: Building, height: float, rng: np.random.Generator) -> None:
    length, floors = building.length, building.floors
    ys = _bays(length, rng.uniform(3.2, 4.2))
    width = length / len(ys)
    dark, lit = (_window(width * 0.8, 1.45, glass, "dark frame") for glass in ("glass", "lit glass"))
    _scatter(mesh, _grid(ys, floors, 3.8, 3.0, 1.55), dark, lit, 0.3, rng)
    mesh.boxes([(-0.02, length / 2, 3.8 + 3.0 * k) for k in range(floors)], (0.1, length, 0.28), "concrete trim")
    mesh.boxes([(-0.08, k * width, height / 2) for k in range(len(ys) + 1)], (0.2, 0.35, height), "concrete trim")
    shop_dark, shop_lit = (_window(width * 0.86, 2.5, glass, "dark frame", bars=False) for glass in ("glass", "shop glass"))
    _scatter(mesh, np.array([(0, y, 1.6) for y in ys]), shop_dark, shop_lit, 0.4, rng)
    if rng.random() < 0.6:
        for k in range(1, floors):
            mesh.box((-0.6, length / 2, 3.8 + 3.0 * (k - 1) + 0.02), (1.2, length * 0.9, 0.16), "concrete trim")
            mesh.box((-1.17, length / 2, 3.8 + 3.0 * (k - 1) + 0.55), (0.06, length * 0.9, 0.95), "panel")


def _glass_front(mesh: Mesh, building: Building, height: float, rng: np.random.Generator) -> None:
    length, floors = building.length, building.floors
    ys = _bays(length, 1.6)
    width = length / len(ys)
    dark, lit = (Mesh().box((-0.03, 0, 0), (0.06, width * 0.96, 2.5), glass) for glass in ("curtain glass", "lit glass"))
    _scatter(mesh, _grid(ys, floors, 4.4, 3.3, 1.75), dark, lit, 0.22, rng)
    mesh.boxes([(-0.06, k * width, (height + 4.4) / 2) for k in range(len(ys) + 1)], (0.16, 0.07, height - 4.4), "metal")
    mesh.boxes([(-0.05, length / 2, 4.4 + 3.3 * k + 0.2) for k in range(floors - 1)], (0.12, length, 0.5), "panel")
    lobby_dark, lobby_lit = (Mesh().box((-0.02, 0, 0), (0.05, width * 0.94, 3.4), glass) for glass in ("glass", "shop glass"))
    _scatter(mesh, np.array([(0, y, 1.9) for y in ys]), lobby_dark, lobby_lit, 0.5, rng)
    mesh.box((-0.5, length / 2, 4.1), (1.2, length * 0.5, 0.2), "metal")


_FRONTS = {"plaster": _plaster_front, "brick": _brick_front, "concrete": _concrete_front, "glass": _glass_front}


def _side_windows(mesh: Mesh, building: Building, rng: np.random.Generator) -> None:
    """A few windows on the walls that look up and down the street."""
    ground, floor = GROUND[building.style], FLOOR[building.style]
    frame = "white" if building.style == "plaster" else "dark frame"
    dark, lit = (
        Mesh().box((0, 0, 0), (0.9, 0.04, 1.3), glass).box((0, 0, -0.7), (1.05, 0.1, 0.08), frame)
        for glass in ("glass", "lit glass")
    )
    places = [
        (x, y, ground + floor * k + 1.5)
        for y in (-0.01, building.length + 0.01)
        for k in range(building.floors - 1)
        for x in np.arange(1.8, building.depth - 1, 2.6)
        if rng.random() < 0.6
    ]
    _scatter(mesh, np.array(places).reshape(-1, 3), dark, lit, 0.0 if building.style == "plaster" else 0.25, rng)


def _gable_roof(mesh: Mesh, length: float, depth: float, height: float, rng: np.random.Generator) -> None:
    """A tiled roof whose ridge runs along the street, with a chimney and sometimes a dormer."""
    rise, over = depth * rng.uniform(0.28, 0.42), 0.45
    corners = [(-over, 0, height), (depth / 2, 0, height + rise), (depth + over, 0, height)]
    far = [(x, length, z) for x, _, z in corners]
    mesh.add(corners + far, [[0, 3, 4, 1], [1, 4, 5, 2]], "tiles")
    mesh.add(corners + far, [[0, 1, 2, 2], [3, 5, 4, 4]], "wall")
    mesh.box((-over, length / 2, height - 0.02), (0.12, length, 0.12), "metal")
    for y in rng.uniform(1, length - 1, rng.integers(1, 3)):
        mesh.box((depth * 0.4, y, height + rise), (0.6, 0.7, 1.5), "chimney")
    for y in _bays(length, 4.0):
        if rng.random() < 0.45:
            z = height + rise * 0.42
            mesh.box((depth * 0.2, y, z + 0.25), (1.3, 1.2, 1.2), "wall")
            mesh.repeat(_window(0.8, 0.85, "glass", "white"), [(depth * 0.2 - 0.66, y, z + 0.3)])
            mesh.box((depth * 0.2 - 0.1, y, z + 0.92), (1.6, 1.45, 0.12), "tiles")


def _flat_roof(mesh: Mesh, length: float, depth: float, height: float, style: str, rng: np.random.Generator) -> None:
    trim = "panel" if style == "glass" else "concrete trim"
    mesh.boxes([(0.12, length / 2, height + 0.35), (depth - 0.12, length / 2, height + 0.35)], (0.24, length, 0.7), trim)
    mesh.boxes([(depth / 2, 0.12, height + 0.35), (depth / 2, length - 0.12, height + 0.35)], (depth, 0.24, 0.7), trim)
    for _ in range(rng.integers(0, 3)):
        size = rng.uniform(1.2, 3.0, 3) * (1, 1, 0.8)
        mesh.box((rng.uniform(2, depth - 2), rng.uniform(2, length - 2), height + size[2] / 2), size, "panel")
