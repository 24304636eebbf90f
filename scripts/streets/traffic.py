"""Who moves (or parks) in the street, and small helpers to place things."""

from __future__ import annotations

import numpy as np

from .canvas import pick, vary
from .ground import Street
from .people import Figure
from .style import Style
from .vehicles import SHAPES, Car


def new_seed(rng: np.random.Generator) -> int:
    """A seed of its own for one thing."""
    return int(rng.integers(2**31))


def between(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """A uniform number within the bounds."""
    return float(rng.uniform(*bounds))


def count(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    """A whole number within the bounds, both included."""
    return int(rng.integers(bounds[0], bounds[1] + 1))


def free(street: Street, z: float, margin: float = 1.0) -> bool:
    """Whether kerb furniture may stand at this depth."""
    spans = [s for s in (street.crossing, street.zebra) if s]
    return all(z < a - margin or z > b + margin for a, b in spans)


def _car(style: Style, rng: np.random.Generator, x: float, z: float, heading: float, lights: bool) -> Car:
    shape = str(rng.choice(list(SHAPES), p=[0.28, 0.28, 0.22, 0.12, 0.10]))
    return Car(style, new_seed(rng), x, z, heading, shape, vary(rng, pick(rng, style.cars), 8), lights)


def make_cars(style: Style, street: Street, rng: np.random.Generator) -> list[Car]:
    """Parked, driving and crossing cars."""
    out: list = []
    for side, parking in zip((-1, 1), street.parking, strict=True):
        if not parking:
            continue
        z = float(rng.uniform(6.5, 9))
        while z < 70:
            if rng.random() < style.parked + 0.1 and free(street, z, 2.8):
                heading = (0.0 if side > 0 else np.pi) + float(rng.normal(0, 0.03))
                out.append(_car(style, rng, side * (street.half - 1.1), z, heading, False))
            z += 5.6
    z = float(rng.uniform(11, 20))
    for _ in range(count(rng, style.driving)):
        own = rng.random() < 0.5
        x = 1.6 if own else -1.6
        out.append(_car(style, rng, x + float(rng.normal(0, 0.15)), z, 0.0 if own else np.pi, style.night))
        z += float(rng.uniform(7, 14))
    if street.crossing and rng.random() < 0.6:
        z = float(np.mean(street.crossing))
        turn = float(rng.choice([-1, 1])) * np.pi / 2
        clear = [c for c in out if abs(c.z - z) > 4.5]
        out = [*clear, _car(style, rng, float(rng.uniform(-9, 9)), z, turn, style.night)]
    return out


def make_people(style: Style, street: Street, rng: np.random.Generator) -> list[Figure]:
    """Pedestrians, alone and in pairs, and bicyclists."""
    out: list = []
    for _ in range(count(rng, style.people)):
        side = 1 if rng.random() < 0.5 else -1
        x = side * float(rng.uniform(street.half + 0.9, street.front - 0.5))
        z = 7.5 + 26 * float(rng.random() ** 1.4)
        heading = float(rng.choice([0, np.pi])) + float(rng.normal(0, 0.35))
        if street.zebra and rng.random() < 0.25:
            x, z = float(rng.uniform(-street.half, street.half)), float(rng.uniform(*street.zebra))
            heading = float(rng.choice([-1, 1])) * np.pi / 2
        out.append(Figure(style, new_seed(rng), x, z, heading, float(rng.uniform(0.93, 1.07)), False))
        if rng.random() < 0.3:
            out.append(Figure(style, new_seed(rng), x + 0.6, z + 0.15, heading, float(rng.uniform(0.7, 1.05)), False))
    for _ in range(count(rng, style.cyclists)):
        side = 1 if rng.random() < 0.6 else -1
        x = side * (street.half - 2.5 if any(street.parking) else street.half - 0.8)
        z = 7.0 + 17 * float(rng.random())
        heading = (0.0 if side > 0 else np.pi) + float(rng.normal(0, 0.12))
        if rng.random() < 0.3:
            heading = float(rng.choice([-1, 1])) * (np.pi / 2 + float(rng.normal(0, 0.15)))
            x = float(rng.uniform(-4, 4))
        out.append(Figure(style, new_seed(rng), x, z, heading, float(rng.uniform(0.98, 1.1)), True))
    return out


def apart(figures: list[Figure], cars: list[Car]) -> list[Figure]:
    """The figures that do not stand in a car."""
    return [f for f in figures if all(abs(f.x - c.x) > 1.35 or abs(f.z - c.z) > 3.3 for c in cars)]
