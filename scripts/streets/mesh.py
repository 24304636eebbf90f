"""Polygon meshes as numpy arrays, and the few solids that everything in a street is made of. Metres; x right, y ahead, z up."""

from __future__ import annotations

import numpy as np

BOX_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
BOX_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


class Mesh:
    """Vertices and quads, each quad with the name of its material. A triangle is a quad that repeats its last corner."""

    def __init__(self) -> None:
        self._vertices: list[np.ndarray] = []
        self._quads: list[np.ndarray] = []
        self._materials: list[np.ndarray] = []
        self._smooth: list[np.ndarray] = []
        self._count = 0

    @property
    def vertices(self) -> np.ndarray:
        """(V, 3)."""
        return np.concatenate(self._vertices) if self._vertices else np.zeros((0, 3))

    @property
    def quads(self) -> np.ndarray:
        """(Q, 4) vertex indices."""
        return np.concatenate(self._quads) if self._quads else np.zeros((0, 4), int)

    @property
    def materials(self) -> np.ndarray:
        """(Q,) names."""
        return np.concatenate(self._materials) if self._materials else np.zeros(0, "U24")

    @property
    def smooth(self) -> np.ndarray:
        """(Q,) bool."""
        return np.concatenate(self._smooth) if self._smooth else np.zeros(0, bool)

    def add(self, vertices, quads, material, *, smooth: bool = False) -> Mesh:
        """Add a piece; ``material`` is one name or one a quad."""
        quads = np.asarray(quads)
        self._vertices.append(np.asarray(vertices, float))
        self._quads.append(quads + self._count)
        self._materials.append(np.broadcast_to(np.asarray(material, "U24"), len(quads)))
        self._smooth.append(np.full(len(quads), smooth))
        self._count += len(vertices)
        return self

    def repeat(self, other: Mesh, offsets) -> Mesh:
        """Add a copy of another mesh at each offset (n, 3)."""
        offsets = np.atleast_2d(np.asarray(offsets, float))
        vertices, quads = other.vertices, other.quads
        if len(offsets) == 0 or len(vertices) == 0 or offsets.size == 0:
            return self
        moved = (vertices[None] + offsets[:, None]).reshape(-1, 3)
        shifted = (quads[None] + np.arange(len(offsets))[:, None, None] * len(vertices)).reshape(-1, 4)
        self.add(moved, shifted, np.tile(other.materials, len(offsets)))
        self._smooth[-1] = np.tile(other.smooth, len(offsets))
        return self

    def moved(self, offset=(0, 0, 0), *, yaw: float = 0.0, scale=1.0) -> Mesh:
        """A copy, scaled, turned about z (radians, counter-clockwise from above) and moved."""
        result = Mesh()
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        result.add((self.vertices * scale) @ turn.T + offset, self.quads, self.materials)
        result._smooth = [self.smooth]
        return result

    def box(self, centre, size, material) -> Mesh:
        return self.add(BOX_CORNERS * size + centre, BOX_FACES, material)

    def boxes(self, centres, size, material) -> Mesh:
        """The same box at many places."""
        return self.repeat(Mesh().box((0, 0, 0), size, material), centres)

    def rectangle(self, x, y, z, material) -> Mesh:
        """A horizontal rectangle over the ranges ``x`` and ``y``."""
        corners = [(x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)]
        return self.add(corners, [[0, 1, 2, 3]], material)

    def loft(self, rings, material, *, smooth: bool = True, caps: bool = True) -> Mesh:
        """Skin over rings of equally many points: (n, m, 3)."""
        rings = np.asarray(rings, float)
        n, m, _ = rings.shape
        i, j = np.meshgrid(np.arange(n - 1), np.arange(m), indexing="ij")
        k = (j + 1) % m
        quads = np.stack([i * m + j, i * m + k, (i + 1) * m + k, (i + 1) * m + j], -1).reshape(-1, 4)
        self.add(rings.reshape(-1, 3), quads, material, smooth=smooth)
        if caps:
            names = np.asarray(material, "U24").reshape(-1)
            for ring, name in ((rings[0][::-1], names[0]), (rings[-1], names[-1])):
                self.fan(ring, name)
        return self

    def fan(self, ring, material) -> Mesh:
        """A flat polygon."""
        m = len(ring)
        corners = np.vstack([ring, np.mean(ring, 0)])
        quads = [[j, (j + 1) % m, m, m] for j in range(m)]
        return self.add(corners, quads, material)

    def tube(self, points, radii, material, *, sides: int = 8, caps: bool = True) -> Mesh:
        """A round bar along points (n, 3) with radii (n,) or one radius."""
        points = np.asarray(points, float)
        radii = np.broadcast_to(radii, len(points))
        tangents = np.gradient(points, axis=0)
        tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
        helper = np.where(np.abs(tangents[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
        u = np.cross(tangents, helper)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        v = np.cross(tangents, u)
        angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
        circle = np.cos(angle)[None, :, None] * u[:, None] + np.sin(angle)[None, :, None] * v[:, None]
        return self.loft(points[:, None] + radii[:, None, None] * circle, material, caps=caps)

    def ball(self, centre, radii, material, *, rings: int = 6, sides: int = 10) -> Mesh:
        """An ellipsoid."""
        polar = np.linspace(0.05, np.pi - 0.05, rings + 1)
        angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
        unit = np.stack(
            [
                np.sin(polar)[:, None] * np.cos(angle),
                np.sin(polar)[:, None] * np.sin(angle),
                np.broadcast_to(-np.cos(polar)[:, None], (rings + 1, sides)),
            ],
            -1,
        )
        return self.loft(unit * radii + np.asarray(centre), material)
