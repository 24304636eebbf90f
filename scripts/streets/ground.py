"""Road with its markings, pavements with kerbs, and the ground beyond."""

from __future__ import annotations

import numpy as np

from scripts.streets.mesh import Mesh
from scripts.streets.street import Street

START, END = -25.0, 260.0
KERB = 0.13  # metres above the road
PAINT = 0.006


def make_road(street: Street) -> Mesh:
    """Asphalt and paint."""
    mesh = Mesh().rectangle((-street.half_road, street.half_road), (START, END), 0.0, "asphalt")
    if street.junction is not None:
        cross = (street.junction - street.half_cross, street.junction + street.half_cross)
        for side in (-1, 1):
            mesh.rectangle(sorted((side * street.half_road, side * 150)), cross, 0.0, "asphalt")
        _mark_crossing(mesh, street)
    _mark_lanes(mesh, street)
    return mesh


def _stripes(mesh: Mesh, street: Street, x: float, width: float, dash: float, gap: float, material: str) -> None:
    ys = np.arange(START, END, dash + gap) if gap else np.arange(START, END, dash)
    for y in ys:
        if not street.is_in_junction(y + dash / 2, 4.5 + dash / 2):
            mesh.rectangle((x - width / 2, x + width / 2), (y, y + dash), PAINT, material)


def _mark_lanes(mesh: Mesh, street: Street) -> None:
    is_noon = street.domain == "noon"
    lanes = street.half_road - max(street.parking)
    if is_noon:
        _stripes(mesh, street, 0.0, 0.14, 3.0, 4.0, "marking")
    else:
        for x in (-0.14, 0.14):
            _stripes(mesh, street, x, 0.11, 10.0, 0.0, "yellow marking")
    if lanes > 5:
        for x in (-lanes / 2, lanes / 2):
            _stripes(mesh, street, x, 0.13, 2.5, 5.0, "marking")
    for side in (-1, 1):
        parking = street.parking[(side + 1) // 2]
        if parking and is_noon:
            edge = side * (street.half_road - 2.15)
            _stripes(mesh, street, edge, 0.1, 5.0, 0.0, "marking")
            for y in np.arange(START, 120, 5.8):
                if not street.is_in_junction(y, 5):
                    mesh.rectangle(sorted((edge, side * street.half_road)), (y, y + 0.1), PAINT, "marking")
        elif not is_noon:
            _stripes(mesh, street, side * (street.half_road - 0.35), 0.12, 10.0, 0.0, "marking")


def _mark_crossing(mesh: Mesh, street: Street) -> None:
    near = street.junction - street.half_cross
    far = street.junction + street.half_cross
    for x in np.arange(-street.half_road + 0.4, street.half_road - 0.3, 1.0):
        for y in (near - 3.4, far + 1.0):
            mesh.rectangle((x, x + 0.5), (y, y + 2.6), PAINT, "marking")
    mesh.rectangle((0.15, street.half_road - 0.2), (near - 4.6, near - 4.2), PAINT, "marking")
    if street.domain != "noon":
        mesh.box((street.half_road * 0.5, near - 9, 0.004), (0.9, 0.9, 0.002), "manhole")
    for x in (-22.0, -14.0, 14.0, 22.0):
        mesh.rectangle((x, x + 3), (street.junction - 0.06, street.junction + 0.06), PAINT, "marking")


def make_pavement(street: Street) -> Mesh:
    """Kerbs, paving and what lies behind the houses."""
    mesh = Mesh().rectangle((-250, 250), (START, 700), -0.03, "ground")
    spans = [(START, END)]
    if street.junction is not None:
        spans = [(START, street.junction - street.half_cross), (street.junction + street.half_cross, END)]
    for side in (-1, 1):
        kerb, line = side * street.half_road, side * (street.line(side) + 40)
        for start, end in spans:
            x = sorted((kerb, line))
            mesh.box((sum(x) / 2, (start + end) / 2, KERB / 2 - 0.05), (x[1] - x[0], end - start, KERB + 0.1), "paving")
            mesh.box((kerb + side * 0.08, (start + end) / 2, KERB / 2), (0.18, end - start, KERB + 0.012), "kerb")
    return mesh
