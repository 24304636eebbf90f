"""Pedestrians in six walking poses and cyclists; about 1.75 m tall, facing +y. The coat takes the colour of the object."""

from __future__ import annotations

import numpy as np

from scripts.streets.mesh import Mesh
from scripts.streets.vehicles import make_bicycle

TROUSERS = ("denim", "dark cloth", "dark cloth", "beige cloth", "denim", "dark cloth")


def make_person(variant: int, *, is_in_rain: bool) -> Mesh:
    """A walking person; in the rain with a long coat and, for every other one, an umbrella."""
    mesh = Mesh()
    stride = (0.32, 0.18, 0.26, 0.05, 0.38, 0.12)[variant]
    trousers, hip = TROUSERS[variant], 0.90
    for side in (-1, 1):
        swing = side * stride
        _limb(
            mesh,
            [(side * 0.09, 0, hip), (side * 0.10, swing * 0.45 + 0.03, 0.48), (side * 0.10, swing, 0.09)],
            (0.085, 0.065, 0.045),
            trousers,
        )
        mesh.ball((side * 0.10, swing + 0.05, 0.045), (0.05, 0.13, 0.05), "leather", rings=4, sides=8)
        is_holding = is_in_rain and variant % 2 == 0 and side > 0
        hand = (side * 0.16, 0.24, 1.16) if is_holding else (side * 0.26, -swing * 0.8, 0.86)
        elbow = (side * 0.27, -0.02 if is_holding else -swing * 0.3, 1.12)
        _limb(mesh, [(side * 0.19, 0, 1.42), elbow, hand], (0.055, 0.045, 0.036), "coat")
        mesh.ball(hand, (0.04, 0.045, 0.055), "skin", rings=4, sides=8)
    _torso(mesh, 0.62 if is_in_rain else 0.86)
    mesh.tube([(0, 0, 1.44), (0, 0.01, 1.56)], 0.05, "skin")
    mesh.ball((0, 0.02, 1.64), (0.082, 0.10, 0.12), "skin", rings=7)
    mesh.ball((0, -0.01, 1.675), (0.09, 0.105, 0.105), "hair" if variant % 3 else "light hair", rings=6)
    if is_in_rain and variant % 2 == 0:
        _umbrella(mesh)
    elif variant % 3 == 1:
        mesh.box((0, -0.17, 1.22), (0.26, 0.13, 0.36), "bag")
    return mesh


def _limb(mesh: Mesh, points, radii, material: str) -> None:
    mesh.tube(points, np.array(radii), material, sides=8)
    mesh.ball(points[0], (radii[0],) * 3, material, rings=4, sides=8)


def _torso(mesh: Mesh, hem: float) -> None:
    heights = [hem, 0.95, 1.05, 1.25, 1.38, 1.47]
    widths = [0.19, 0.175, 0.165, 0.20, 0.205, 0.10]
    depths = [0.15, 0.125, 0.115, 0.125, 0.11, 0.06]
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    rings = [
        np.stack([w * np.cos(angle), d * np.sin(angle), 0 * angle + z], -1)
        for z, w, d in zip(heights, widths, depths, strict=True)
    ]
    mesh.loft(rings, "coat")


def _umbrella(mesh: Mesh) -> None:
    mesh.tube([(0.14, 0.24, 1.1), (0.14, 0.20, 2.1)], 0.012, "metal", sides=6)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rings = [
        np.stack([0.14 + r * np.cos(angle), 0.2 + r * np.sin(angle), 0 * angle + z], -1)
        for r, z in ((0.56, 1.86), (0.46, 1.97), (0.26, 2.06), (0.02, 2.12))
    ]
    mesh.loft(rings, "umbrella", caps=False)


def make_cyclist(variant: int) -> Mesh:
    """A rider on a bicycle."""
    mesh = make_bicycle()
    lean = (0.20, 0.32, 0.12)[variant]
    hip, shoulder = np.array([0, -0.2, 0.98]), np.array([0, -0.2 + lean + 0.12, 1.45])
    for side in (-1, 1):
        knee = (side * 0.10, 0.18, 0.78 if side > 0 else 0.62)
        foot = (side * 0.10, 0.06 if side > 0 else -0.02, 0.42 if side > 0 else 0.14)
        _limb(mesh, [np.add(hip, (side * 0.09, 0, 0)), knee, foot], (0.085, 0.065, 0.045), TROUSERS[variant])
        mesh.ball(np.add(foot, (0, 0.06, -0.03)), (0.05, 0.13, 0.05), "leather", rings=4, sides=8)
        elbow = (shoulder + np.array([0, 0.34, 1.0])) / 2 + (side * 0.24, -0.04, -0.08)
        _limb(mesh, [np.add(shoulder, (side * 0.17, 0, 0)), elbow, (side * 0.24, 0.34, 1.02)], (0.055, 0.045, 0.036), "coat")
    mesh.tube([hip, (hip + shoulder) / 2, shoulder], np.array([0.15, 0.155, 0.15]), "coat", sides=12)
    head = np.add(shoulder, (0, 0.10, 0.24))
    mesh.ball(head, (0.082, 0.10, 0.12), "skin", rings=7)
    mesh.ball(np.add(head, (0, -0.01, 0.045)), (0.105, 0.13, 0.09), "helmet" if variant != 2 else "hair", rings=6)
    return mesh
