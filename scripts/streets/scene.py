"""Lays out one street: what stands where, from one random generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .buildings import Building, Skyline
from .canvas import Camera, Light, pick
from .fences import Fence
from .furniture import Bollard, Lamp, Sign
from .ground import Street
from .plants import Shrub, Tree
from .style import Style
from .traffic import apart, between, count, free, make_cars, make_people, new_seed

FAR = 95.0


@dataclass(frozen=True)
class Scene:
    """Everything needed to draw one image."""

    style: Style
    camera: Camera
    light: Light
    street: Street
    things: tuple
    sky_seed: int
    bonnet: bool


def make_scene(style: Style, rng: np.random.Generator) -> Scene:
    """Draw a street plan and fill it."""
    camera, light = _camera(style, rng), _light(style, rng)
    lamps = _lamps(style, rng)
    street = _street(style, rng, lamps)
    things: list = [Skyline(style, new_seed(rng), FAR + 30)]
    for side in (-1, 1):
        things += _buildings(style, street, side, rng)
        things += _planting(style, street, side, rng)
    things += [Lamp(style, new_seed(rng), s * (street.half + 0.55), z, -s * float(rng.uniform(1.4, 2.2))) for s, z in lamps]
    cars = make_cars(style, street, rng)
    things += cars + apart(make_people(style, street, rng), cars) + _signs(style, street, rng)
    things += _kerb_fences(style, street, rng) + _small(style, street, rng)
    things += _far_trees(style, camera, rng)
    ordered = tuple(sorted(_spaced(things), key=lambda t: -_order(t, street)))
    return Scene(style, camera, light, street, ordered, new_seed(rng), style.night and rng.random() < 0.6)


def _camera(style: Style, rng: np.random.Generator) -> Camera:
    return Camera(
        focal=between(rng, style.focal),
        height=between(rng, style.height),
        horizon=between(rng, style.horizon),
        centre=256 + float(rng.normal(0, 12)),
        side=1.6 + float(rng.normal(0, 0.25)),
        bend=float(rng.choice([0.0, 0.0, 1.0, -1.0]) * rng.uniform(0.0008, 0.0022)),
    )


def _light(style: Style, rng: np.random.Generator) -> Light:
    side = float(rng.choice([-1.0, 1.0]))
    sun = np.array([side * rng.uniform(0.35, 0.6), rng.uniform(0.75, 0.95), rng.uniform(-0.45, -0.1)])
    if style.night:
        sun = np.array([side * 0.3, 0.5, -0.6])
    sun /= np.linalg.norm(sun)
    gain = float(rng.normal(1.0, 0.05))
    return Light(
        sun=tuple(float(c) for c in sun),
        sun_rgb=tuple(c * gain for c in style.sun_rgb),
        ambient=tuple(c * gain for c in style.ambient),
        haze_rgb=style.haze_rgb,
        haze_far=style.haze_far * float(rng.uniform(0.8, 1.3)),
        street=(0.34, 0.22, 0.10) if style.night else (0.0, 0.0, 0.0),
    )


def _lamps(style: Style, rng: np.random.Generator) -> list[tuple[int, float]]:
    """Sides and depths of the lamps."""
    out = []
    for side in (-1, 1):
        z = float(rng.uniform(9, 15))
        while z < 75:
            out.append((side, z))
            z += between(rng, style.lamp_step)
    return out


def _street(style: Style, rng: np.random.Generator, lamps: list[tuple[int, float]]) -> Street:
    parking = tuple(2.2 if rng.random() < 0.4 + style.parked / 2 else 0.0 for _ in range(2))
    half = 5.3 if any(parking) else 4.6
    crossing = zebra = None
    if rng.random() < 0.45:
        z = float(rng.uniform(17, 32))
        crossing = (z, z + 7.5)
        zebra = (z - 4.2, z - 1.2)
    elif rng.random() < 0.4:
        z = float(rng.uniform(9, 22))
        zebra = (z, z + 3.0)
    patches = []
    for _ in range(int(rng.integers(2, 6))):
        x, z = float(rng.uniform(-half, half)), float(rng.uniform(4, 25))
        patches.append((x, x + float(rng.uniform(0.6, 2.2)), z, z + float(rng.uniform(1, 5)), float(rng.uniform(0.8, 1.1))))
    spots = tuple((s * (half - 1.0), z) for s, z in lamps)
    return Street(half, parking, between(rng, style.pavement_width), crossing, zebra, spots, tuple(patches))


def _buildings(style: Style, street: Street, side: int, rng: np.random.Generator) -> list:
    out: list = []
    z = float(rng.uniform(2.5, 6.0))
    while z < FAR:
        end = z + between(rng, style.frontage)
        crossing = street.crossing
        if crossing and z < crossing[1] + 2.5 and end > crossing[0] - 2.5:
            if crossing[0] - 2.5 - z > 5:
                end = crossing[0] - 2.5
            else:
                z = crossing[1] + 2.5
                continue
        x = side * (street.front + float(rng.uniform(0, 0.25)))
        kind = pick(rng, style.facades)
        floors = count(rng, style.floors)
        roof = "flat" if style.night or kind == "white" else pick(rng, ("gable", "mansard"))
        out.append(Building(style, new_seed(rng), x, z, end, floors, kind, roof))
        z = end
        if rng.random() < style.gap:
            width = float(rng.uniform(5, 9))
            out += _garden(style, street, side, (z, z + width), rng)
            z += width
    return out


def _garden(style: Style, street: Street, side: int, span: tuple[float, float], rng: np.random.Generator) -> list:
    """A gap between houses: a fence with trees behind it."""
    kind = pick(rng, ("mesh", "panel")) if style.night else pick(rng, ("picket", "panel", "railing"))
    out: list = [Fence(style, new_seed(rng), side * street.front, *span, kind, height=float(rng.uniform(1.3, 1.8)), garden=True)]
    for _ in range(2):
        x = side * (street.front + float(rng.uniform(2.5, 5)))
        out.append(Tree(style, new_seed(rng), x, span[1] - 0.2 + float(rng.uniform(0, 0.1)), float(rng.uniform(5, 8))))
    return out


def _planting(style: Style, street: Street, side: int, rng: np.random.Generator) -> list:
    out: list = []
    if rng.random() < 0.15:
        return out
    z = float(rng.uniform(8, 14))
    while z < 80:
        if free(street, z):
            x = side * (street.half + 1.5)
            out.append(Tree(style, new_seed(rng), x, z, float(rng.uniform(4.8, 7.6))))
        z += between(rng, style.tree_step)
    return out


def _signs(style: Style, street: Street, rng: np.random.Generator) -> list:
    kinds = ("stop", "diamond", "board", "parking") if style.night else ("round", "blue", "triangle", "parking", "board")
    out: list = []
    for i in range(count(rng, style.signs)):
        side = 1 if i % 2 else -1
        z = 7.5 + 2.6 * i + float(rng.uniform(0, 3.5))
        out.append(Sign(style, new_seed(rng), side * (street.half + 0.6), z, pick(rng, kinds)))
    if street.crossing or street.zebra:
        z = (street.zebra or street.crossing)[0] - 0.8
        lights = [Sign(style, new_seed(rng), s * (street.half + 0.5), z, "light") for s in (-1, 1)]
        out = lights + [s for s in out if abs(s.z - z) > 2.5]
    return out


def _small(style: Style, street: Street, rng: np.random.Generator) -> list:
    """Rows of bollards at the kerb and shrubs in tubs along the façades."""
    out: list = []
    for _ in range(int(rng.integers(1, 3))):
        side, z = (1 if rng.random() < 0.5 else -1), float(rng.uniform(7, 20))
        spots = [z + 1.7 * k for k in range(int(rng.integers(3, 7)))]
        out += [Bollard(style, side * (street.half + 0.45), s) for s in spots if free(street, s)]
    for _ in range(int(rng.integers(1, 4))):
        side, z = (1 if rng.random() < 0.5 else -1), float(rng.uniform(9, 30))
        out += [Shrub(style, new_seed(rng), side * (street.front - 0.55), z + 1.3 * k) for k in range(2) if free(street, z)]
    return out


def _order(thing: object, street: Street) -> float:
    """Painting order: outer rows go back a little, since a long car hides what stands beside it."""
    out = abs(getattr(thing, "x", 0.0))
    return thing.depth + (0.0 if out <= 3 else 1.2 if out <= street.half else 3.4)


def _spaced(things: list) -> list:
    """Leaves out trees, bollards and signs that would stand in one another."""
    out: list = []
    taken: list[tuple[float, float]] = []
    for thing in sorted(things, key=lambda t: 0 if isinstance(t, Lamp) else 1 if isinstance(t, Sign) else 2):
        if isinstance(thing, Lamp | Sign | Bollard | Tree):
            gap = 1.2 if isinstance(thing, Bollard) else 1.8
            if any(abs(thing.x - x) < 0.8 and abs(thing.z - z) < gap for x, z in taken):
                continue
            taken.append((thing.x, thing.z))
        out.append(thing)
    return out


def _far_trees(style: Style, camera: Camera, rng: np.random.Generator) -> list:
    """Trees before the far end of the street."""
    z = FAR + 20
    centre = -camera.bend * z * z
    spots = centre + rng.uniform(-26, 26, 7)
    return [Tree(style, new_seed(rng), float(x), z + i * 0.1, float(rng.uniform(6, 10))) for i, x in enumerate(spots)]


def _kerb_fences(style: Style, street: Street, rng: np.random.Generator) -> list:
    """Railings between carriageway and pavement, in short lengths so that depth order holds."""
    out: list = []
    for _ in range(count(rng, style.fences)):
        side = 1 if rng.random() < 0.5 else -1
        kind = pick(rng, ("guard", "mesh", "guard")) if style.night else pick(rng, ("railing", "picket", "railing"))
        z, seed = float(rng.uniform(7.5, 22)), new_seed(rng)
        x = side * (street.half + 0.35)
        for k in range(int(rng.integers(2, 5))):
            z0 = z + 2.0 * k
            if free(street, z0 + 1, 1.2):
                out.append(Fence(style, seed, x, z0, z0 + 2.0, kind, height=1.05))
    return out
