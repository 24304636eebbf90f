"""Trees: trunks with branches, crowns of some thousand single leaves."""

from __future__ import annotations

import numpy as np

from scripts.streets.mesh import Mesh

NUM_TREES = 6


def make_tree(variant: int, *, is_autumn: bool) -> Mesh:
    """A tree of about 7 m that stands at the origin; in autumn slender, thinly leaved or bare."""
    rng = np.random.default_rng([17, variant, is_autumn])
    mesh = Mesh()
    height = rng.uniform(6.0, 8.0) * (1.15 if is_autumn else 1.0)
    fork = height * (0.33 if is_autumn else 0.36)
    lean = rng.normal(0, 0.15, 2)
    top = np.array([*lean, height * 0.85])
    trunk = [(0, 0, 0), (lean[0] * 0.2, lean[1] * 0.2, fork), top]
    mesh.tube(trunk, np.array([0.19, 0.13, 0.03]), "bark", sides=9)
    ends = []
    for k in range(14 if is_autumn else 10):
        angle, share = k * 2.4 + rng.normal(0, 0.3), rng.uniform(0.0, 0.8)
        base = np.array([lean[0] * 0.2, lean[1] * 0.2, fork]) * (1 - share) + top * share
        reach = (height * 0.17 if is_autumn else height * 0.27) * (1.15 - 0.7 * share) * rng.uniform(0.8, 1.2)
        rise = reach * rng.uniform(0.5, 1.1 if is_autumn else 0.7)
        end = np.add(base, (np.cos(angle) * reach, np.sin(angle) * reach, rise))
        middle = (base + end) / 2 + rng.normal(0, 0.12, 3)
        mesh.tube([base, middle, end], np.array([0.06, 0.04, 0.012]), "bark", sides=6)
        ends.append((middle + end) / 2)
        for _ in range(3):
            twig = end + rng.normal(0, 0.45, 3)
            mesh.tube([middle, end * 0.5 + twig * 0.5, twig], np.array([0.025, 0.018, 0.006]), "bark", sides=4)
    ends.append(top)
    if not is_autumn:
        _add_leaves(mesh, np.array(ends), height * 0.155, 5200, 0.15, rng)
    elif variant % 3:
        _add_leaves(mesh, np.array(ends), height * 0.11, 1500, 0.12, rng)
    return mesh


def _add_leaves(mesh: Mesh, centres: np.ndarray, spread: float, count: int, size: float, rng: np.random.Generator) -> None:
    """Leaves on the shells of balls around the ends of the branches."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = spread * rng.uniform(0.35, 1.0, (count, 1)) ** 0.6
    middle = centres[rng.integers(len(centres), size=count)] + direction * radius * (1.0, 1.0, 0.8)
    u = np.cross(direction, rng.normal(size=(count, 3)))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(direction + 0.7 * rng.normal(size=(count, 3)), u)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    scale = size * rng.uniform(0.7, 1.3, (count, 1))
    corners = np.stack([middle - u * scale, middle - v * scale * 0.6, middle + u * scale, middle + v * scale * 0.6], 1)
    mesh.add(corners.reshape(-1, 3), np.arange(4 * count).reshape(-1, 4), "leaf")
