"""Lamps, signs, traffic lights, bollards and fences. What is a pole and what is a sign are separate meshes, for their labels."""

from __future__ import annotations

import numpy as np

from scripts.streets.mesh import Mesh

SIGN_SHAPES = ("disc red", "triangle", "disc blue", "square blue", "octagon", "board")


def make_lamp(variant: int, *, is_lit: bool) -> Mesh:
    """A street lamp whose arm reaches over the road, towards −x."""
    mesh, height = Mesh(), 7.2 if variant else 6.2
    mesh.tube([(0, 0, 0), (0, 0, 0.9), (0, 0, 0.95), (0, 0, height)], np.array([0.11, 0.10, 0.075, 0.055]), "steel", sides=10)
    arm = 1.9 if variant else 1.1
    bend = [(0, 0, height), (-0.25 * arm, 0, height + 0.28), (-arm, 0, height + 0.36)]
    mesh.tube(bend, np.array([0.055, 0.045, 0.035]), "steel", sides=8)
    mesh.box((-arm - 0.25, 0, height + 0.35), (0.7, 0.26, 0.10), "steel")
    mesh.box((-arm - 0.25, 0, height + 0.29), (0.58, 0.2, 0.03), "lamp on" if is_lit else "lamp")
    return mesh


LAMP_HEADS = ((-1.35, 6.4), (-2.15, 7.4))
"""(x, z) just below the light of each lamp."""


def make_sign_post(height: float = 2.9) -> Mesh:
    return Mesh().tube([(0, 0, 0), (0, 0, height)], 0.04, "steel", sides=8)


def make_sign(variant: int, *, is_worn: bool) -> Mesh:
    """The plate of a sign at the top of its post, facing −y, one symbol on a rim of another colour."""
    mesh, shape = Mesh(), SIGN_SHAPES[variant]
    face = {
        "disc red": "white",
        "triangle": "white",
        "disc blue": "blue",
        "square blue": "blue",
        "octagon": "red",
        "board": "green",
    }
    if is_worn:
        face |= {"triangle": "yellow", "board": "blue", "square blue": "yellow"}
    rim = {"disc red": "red", "triangle": "red"}.get(shape, "white")
    sides, turn = {"triangle": (3, np.pi / 2), "octagon": (8, np.pi / 8), "square blue": (4, np.pi / 4)}.get(shape, (24, 0.0))
    radius, z = (0.42, 2.55)
    if shape == "board":
        mesh.box((0, -0.06, 2.6), (1.5, 0.04, 0.55), "white").box((0, -0.085, 2.6), (1.42, 0.02, 0.47), f"sign {face[shape]}")
        mesh.boxes([(-0.3, -0.1, 2.68), (0.12, -0.1, 2.52)], (0.7, 0.012, 0.06), "white")
        return mesh
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + turn
    for r, y, name in ((radius, -0.05, rim), (radius * 0.8, -0.075, face[shape])):
        rings = [np.stack([r * np.cos(angle), 0 * angle + at, z + r * np.sin(angle)], -1) for at in (y + 0.02, y)]
        mesh.loft(rings, f"sign {name}", smooth=False)
    mark = {"disc red": "rubber", "triangle": "rubber", "disc blue": "white", "square blue": "white", "octagon": "white"}[shape]
    mesh.box((0, -0.085, z), (0.36 if shape == "octagon" else 0.1, 0.012, 0.1 if shape == "octagon" else 0.34), mark)
    return mesh


def make_light_post(variant: int) -> Mesh:
    """The post of a traffic light; the second kind has an arm over the road, towards −x."""
    mesh = Mesh().tube([(0, 0, 0), (0, 0, 3.4 if variant == 0 else 5.6)], 0.07, "steel", sides=10)
    if variant:
        mesh.tube([(0, 0, 5.4), (-3.2, 0, 5.5)], 0.05, "steel", sides=8)
    return mesh


def make_light_box(variant: int, *, is_dark: bool) -> Mesh:
    """The signal heads of a traffic light, facing −y."""
    mesh = Mesh()
    places = [(0, 3.0)] if variant == 0 else [(0, 3.0), (-3.0, 5.3)]
    for x, z in places:
        mesh.box((x, -0.16, z), (0.32, 0.22, 0.95), "signal box")
        for k, name in enumerate(("green", "amber", "red")):
            on = k == (2 if variant == 0 else 0)
            lens = np.array([(x, -0.28, z + (k - 1) * 0.29), (x, -0.3, z + (k - 1) * 0.29)])
            mesh.tube(lens, 0.11, f"signal {name} on" if on else f"signal {name}", sides=14)
            mesh.box((x, -0.34, z + (k - 1) * 0.29 + 0.12), (0.24, 0.14, 0.02), "signal box")
    if is_dark:  # a backing board, as other cities have it
        mesh.boxes([(x, -0.03, z) for x, z in places], (0.62, 0.02, 1.3), "signal box")
    return mesh


def make_bollard() -> Mesh:
    return Mesh().tube([(0, 0, 0), (0, 0, 0.85), (0, 0, 0.95)], np.array([0.07, 0.065, 0.03]), "steel", sides=10)


def make_utility_pole() -> Mesh:
    """A wooden pole with a cross-arm."""
    mesh = Mesh().tube([(0, 0, 0), (0, 0, 8.2)], np.array([0.15, 0.10]), "wood", sides=9)
    mesh.box((0, 0, 7.6), (1.8, 0.1, 0.12), "wood")
    mesh.boxes([(x, 0, 7.75) for x in (-0.8, -0.4, 0.4, 0.8)], (0.06, 0.06, 0.16), "steel")
    return mesh


def make_fence(variant: int) -> Mesh:
    """Two metres of fence along y: pickets, boards, iron bars, or a rail at the kerb."""
    mesh = Mesh()
    if variant == 0:
        mesh.boxes([(0, y, 0.55) for y in np.arange(-0.92, 1.0, 0.2)], (0.03, 0.11, 1.0), "fence wood")
        mesh.boxes([(0.03, 0, 0.3), (0.03, 0, 0.8)], (0.04, 2.0, 0.08), "fence wood")
    elif variant == 1:
        mesh.boxes([(0, y, 0.75) for y in np.arange(-0.9, 1.0, 0.25)], (0.03, 0.235, 1.45), "fence board")
        mesh.box((0.02, 1.0, 0.8), (0.1, 0.1, 1.6), "fence board")
    elif variant == 2:
        mesh.box((0, 0, 0.2), (0.3, 2.0, 0.4), "stone")
        mesh.boxes([(0, y, 0.95) for y in np.arange(-0.95, 1.0, 0.14)], (0.025, 0.025, 1.2), "iron")
        mesh.boxes([(0, 0, 0.5), (0, 0, 1.45)], (0.04, 2.0, 0.04), "iron")
    else:
        mesh.boxes([(0, -0.95, 0.5), (0, 0.95, 0.5)], (0.06, 0.06, 1.0), "rail")
        mesh.boxes([(0, 0, 0.95), (0, 0, 0.55), (0, 0, 0.2)], (0.04, 2.0, 0.05), "rail")
        mesh.boxes([(0, y, 0.55) for y in np.arange(-0.8, 0.9, 0.16)], (0.02, 0.02, 0.75), "rail")
    return mesh
