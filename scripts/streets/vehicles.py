"""Cars of five shapes and a bicycle, skinned over cross-sections. They head along +y; paint takes the colour of the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.streets.mesh import Mesh


@dataclass(frozen=True)
class CarShape:
    """Lengths in metres; the stations of the cabin are measured from the middle of the car, ahead positive."""

    length: float
    width: float
    belt: float  # height of the lower edge of the windows
    hood: float
    tail: float
    roof: float
    cabin: tuple[float, float, float, float]  # rear base, rear roof, front roof, front base
    wheel: float = 0.32
    is_panelled: bool = False  # no windows behind the front seats


CARS = (
    CarShape(3.95, 1.72, 0.92, 0.86, 0.92, 1.46, (-1.85, -1.35, 0.25, 1.05)),  # hatchback
    CarShape(4.65, 1.80, 0.92, 0.84, 0.94, 1.42, (-1.55, -0.85, 0.35, 1.15)),  # saloon
    CarShape(4.55, 1.88, 1.08, 1.02, 1.08, 1.72, (-2.15, -1.75, 0.35, 1.10), 0.37),  # sport utility
    CarShape(5.10, 1.95, 1.20, 1.15, 1.20, 2.25, (-2.50, -2.42, 1.10, 1.85), 0.35, True),  # van
    CarShape(5.20, 1.92, 1.10, 1.05, 0.98, 1.78, (-0.55, -0.40, 0.75, 1.45), 0.38),  # pick-up
)


def _ring(y: float, half: float, bottom: float, top: float, *, power: float = 4.0, points: int = 20) -> np.ndarray:
    """A rounded rectangle across the car (a superellipse)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    x = half * np.sign(c) * np.abs(c) ** (2 / power)
    z = (bottom + top) / 2 + (top - bottom) / 2 * np.sign(s) * np.abs(s) ** (2 / power)
    return np.stack([x, np.full(points, y), z], -1)


def make_car(variant: int, *, has_lights: bool) -> Mesh:
    """A car that stands on the ground, its middle at the origin."""
    shape, mesh = CARS[variant], Mesh()
    _add_body(mesh, shape)
    _add_cabin(mesh, shape)
    half, wheelbase = shape.width / 2, shape.length * 0.3
    for y in (-wheelbase, wheelbase):
        for side in (-1, 1):
            _add_wheel(mesh, side * half, y, shape.wheel)
    front, back = shape.length / 2, -shape.length / 2
    for side in (-1, 1):
        x = side * half * 0.70
        mesh.box((x, front - 0.05, shape.hood * 0.80), (0.34, 0.10, 0.13), "headlight on" if has_lights else "headlight")
        mesh.box((x, back + 0.04, shape.tail * 0.84), (0.26, 0.09, 0.16), "tail light on" if has_lights else "tail light")
        mesh.box((side * (half + 0.08), shape.cabin[3] - 0.35, shape.belt + 0.06), (0.16, 0.1, 0.12), "paint")
    mesh.box((0, front - 0.01, 0.42), (half * 1.1, 0.06, 0.16), "rubber")
    mesh.boxes([(0, front + 0.02, 0.40), (0, back - 0.01, 0.62)], (0.5, 0.03, 0.11), "plate")
    return mesh


def _add_body(mesh: Mesh, shape: CarShape) -> None:
    half, length = shape.width / 2, shape.length
    stations = np.array([-0.5, -0.48, -0.42, -0.25, 0.0, 0.2, 0.3, 0.42, 0.48, 0.5])
    widths = np.array([0.80, 0.92, 0.98, 1.0, 1.0, 1.0, 0.99, 0.95, 0.87, 0.74])
    tops = np.interp(stations, [-0.5, -0.42, -0.1, 0.2, 0.44, 0.5], [0.9, 1, 1, 1, 0.93, 0.74]) * np.where(
        stations > 0.22, shape.hood, np.where(stations < -0.3, shape.tail, shape.belt)
    )
    bottoms = np.interp(stations, [-0.5, -0.4, 0.4, 0.5], [0.36, 0.22, 0.2, 0.3])
    rings = [_ring(s * length, half * w, b, t) for s, w, b, t in zip(stations, widths, bottoms, tops, strict=True)]
    mesh.loft(rings, "paint")
    mesh.box((0, 0, 0.27), (shape.width * 0.99, length * 0.86, 0.12), "rubber")
    if shape.cabin[0] > -1:  # the bed of a pick-up
        mesh.box(
            (0, (shape.cabin[0] - length / 2) / 2, shape.tail + 0.005),
            (shape.width * 0.8, length / 2 + shape.cabin[0] - 0.2, 0.02),
            "rubber",
        )


def _add_cabin(mesh: Mesh, shape: CarShape) -> None:
    rear, rear_roof, front_roof, front = shape.cabin
    half = shape.width / 2
    middle = (rear_roof + front_roof) / 2
    ys = np.array([rear, rear_roof, rear_roof + 0.12, middle - 0.05, middle + 0.05, front_roof - 0.05, front_roof, front])
    tops = np.array([shape.belt + 0.03, *[shape.roof] * 6, shape.belt + 0.03])
    tops[[1, 6]] -= 0.05
    rings = []
    for y, top in zip(ys, tops, strict=True):
        share = (top - shape.belt) / (shape.roof - shape.belt)
        ring = _ring(y, half * (0.95 - 0.12 * share), shape.belt - 0.12, top, power=5.0)
        low = ring[:, 2] < shape.belt
        ring[low, 0] = np.sign(ring[low, 0]) * np.minimum(np.abs(ring[low, 0]), half * 0.93)
        rings.append(ring)
    count = rings[0].shape[0]
    material = np.full((len(ys) - 1, count), "window", "U24")
    heights = np.array([ring[:, 2] for ring in rings])
    is_roof = (heights[:-1] > shape.roof - 0.13) & (heights[1:] > shape.roof - 0.13)
    material[is_roof] = "paint"
    material[[1, 3, 5]] = np.where(material[[1, 3, 5]] == "window", "paint", material[[1, 3, 5]])  # pillars
    if shape.is_panelled:
        material[:4] = "paint"
    mesh.loft(rings, material.reshape(-1))


def _add_wheel(mesh: Mesh, x: float, y: float, radius: float, width: float = 0.22) -> None:
    side = np.sign(x)
    inner, outer = x - side * width, x + side * 0.015
    mesh.tube([(x - side * 0.02, y, radius + 0.03), (x + side * 0.006, y, radius + 0.03)], radius * 1.18, "rubber", sides=20)
    mesh.tube([(inner, y, radius), (outer, y, radius)], radius, "tyre", sides=20)
    mesh.tube([(outer, y, radius), (outer + side * 0.012, y, radius)], radius * 0.62, "rim", sides=14)
    spokes = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    for angle in spokes:
        centre = (outer + side * 0.014, y + np.cos(angle) * radius * 0.34, radius + np.sin(angle) * radius * 0.34)
        mesh.box(centre, (0.01, 0.06, 0.06), "rubber")


def make_bicycle() -> Mesh:
    """A bicycle, its middle at the origin, heading along +y."""
    mesh = Mesh()
    angle = np.linspace(0, 2 * np.pi, 25)
    for y in (-0.52, 0.52):
        mesh.tube(
            np.stack([0 * angle, y + 0.33 * np.cos(angle), 0.34 + 0.33 * np.sin(angle)], -1), 0.022, "tyre", sides=6, caps=False
        )
        for a in np.linspace(0, np.pi, 6, endpoint=False):
            spoke = np.array([0, np.cos(a), np.sin(a)]) * 0.32
            mesh.tube([np.array([0, y, 0.34]) - spoke, np.array([0, y, 0.34]) + spoke], 0.004, "metal", sides=4)
    hub, rear, front = (0, 0.0, 0.30), (0, -0.52, 0.34), (0, 0.52, 0.34)
    seat, head = (0, -0.18, 0.86), (0, 0.38, 0.88)
    for a, b in ((hub, rear), (hub, seat), (rear, seat), (seat, head), (hub, head), (head, front)):
        mesh.tube([a, b], 0.018, "frame", sides=6)
    mesh.tube([(-0.26, 0.34, 1.0), (0.26, 0.34, 1.0)], 0.015, "rubber", sides=6)
    mesh.tube([head, (0, 0.34, 1.0)], 0.015, "metal", sides=6)
    mesh.box((0, -0.2, 0.9), (0.14, 0.26, 0.05), "rubber")
    return mesh
