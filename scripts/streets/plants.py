"""Trees: a trunk with limbs and a crown of overlapping leaf clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, mix, pick, scaled, vary
from .labels import TREE
from .style import Style


@dataclass(frozen=True)
class Tree:
    """A street tree at (x, z) with its height in metres."""

    style: Style
    seed: int
    x: float
    z: float
    height: float

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def _clusters(self, rng: np.random.Generator) -> np.ndarray:
        """Centres and radii (N, 4) of the leaf clusters, far ones first."""
        n = 26
        slim = rng.uniform(0.24, 0.34) * (0.8 if self.style.night else 1.0)
        wide, tall = self.height * slim, self.height * 0.31
        direction = rng.normal(size=(n, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        reach = rng.uniform(0.25, 0.85, (n, 1))
        p = direction * reach * np.array([[wide, tall, wide]])
        p += np.array([[self.x, self.height * 0.66, self.z]])
        r = rng.uniform(0.3, 0.48, (n, 1)) * wide
        clusters = np.hstack([p, r])
        return clusters[np.argsort(-clusters[:, 2])]

    def hulls(self) -> list[np.ndarray]:
        """Trunk and leaf clusters as point clouds."""
        rng = np.random.default_rng(self.seed)
        clusters = self._clusters(rng)[::2]
        angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        ring = np.stack([np.cos(angle), 0.3 * np.sin(2 * angle), np.sin(angle)], axis=1)
        trunk = [(self.x + dx, y, self.z + dx) for dx in (-0.16, 0.16) for y in (0.0, self.height * 0.6)]
        return [np.array(trunk), *[c[None, :3] + ring * c[3] for c in clusters]]

    def draw(self, canvas: Canvas) -> None:
        """Draw trunk, limbs and crown."""
        rng = np.random.default_rng(self.seed)
        clusters = self._clusters(rng)
        leaf = vary(rng, pick(rng, self.style.leaves), 7)
        self._trunk(canvas, clusters, rng)
        sun = np.asarray(canvas.light.sun)
        toward = np.array([sun[0], sun[1], 0.0])
        tones = ((0.50, 0.0, 1.0), (0.78, 0.22, 0.86), (1.06, 0.45, 0.58))
        for tone, shift, grow in tones:
            lift = (clusters[:, 1:2] - self.height * 0.66) / self.height
            rgbs = np.minimum(np.asarray(canvas.light.shade(leaf, self.z)) * tone * (1 + 0.7 * lift), 255)
            canvas.discs(clusters[:, :3] + toward * shift * clusters[:, 3:], clusters[:, 3] * grow, rgbs, TREE)
        self._leaves(canvas, clusters, leaf, toward, rng)

    def _trunk(self, canvas: Canvas, clusters: np.ndarray, rng: np.random.Generator) -> None:
        bark = canvas.light.shade(vary(rng, self.style.trunk, 6), self.z)
        foot = np.array([self.x, 0.0, self.z])
        fork = np.array([self.x + rng.normal(0, 0.1), self.height * 0.45, self.z])
        r = 0.022 * self.height + 0.05
        canvas.capsule(np.array([foot, fork]), (r * 1.25, r * 0.8), bark, TREE)
        lit = mix(bark, (255, 240, 210), 0.22)
        side = np.array([np.sign(canvas.light.sun[0]) * r * 0.45, 0, 0])
        canvas.capsule(np.array([foot + side, fork + side]), (r * 0.45, r * 0.25), lit, TREE)
        for c in clusters[::4]:
            canvas.capsule(np.array([fork, c[:3]]), (r * 0.6, r * 0.2), scaled(bark, 0.9), TREE)

    def _leaves(self, canvas: Canvas, clusters: np.ndarray, leaf: tuple, toward: np.ndarray, rng: np.random.Generator):
        """Small flecks give the crown its texture and its ragged outline."""
        size = canvas.camera.pixels(self.height, self.z)
        count = int(np.clip(size * size * 0.02, 80, 1500)) // (3 if canvas.camera.mirror else 1)
        which = rng.integers(len(clusters), size=count)
        direction = rng.normal(size=(count, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        where = clusters[which, :3] + direction * clusters[which, 3:] * rng.uniform(0.55, 1.12, (count, 1))
        facing = direction @ toward
        tones = 0.74 + 0.34 * facing + rng.normal(0, 0.10, count)
        radii = rng.uniform(0.04, 0.10, count) * (1 + 0.05 * self.height)
        shade = np.asarray(canvas.light.shade(leaf, self.z))
        canvas.discs(where, radii, np.minimum(shade * np.maximum(0.42, tones)[:, None], 255), TREE)


@dataclass(frozen=True)
class Shrub:
    """A clipped shrub in a tub; the tub counts as tree, too."""

    style: Style
    seed: int
    x: float
    z: float

    @property
    def depth(self) -> float:
        """Distance from the camera."""
        return self.z

    def hulls(self) -> list[np.ndarray]:
        """The tub."""
        corners = [(self.x + a, y, self.z + b) for a in (-0.3, 0.3) for y in (0.0, 1.2) for b in (-0.3, 0.3)]
        return [np.array(corners)]

    def draw(self, canvas: Canvas) -> None:
        """Draw the tub and a ball of leaves."""
        rng = np.random.default_rng(self.seed)
        leaf = np.asarray(canvas.light.shade(vary(rng, self.style.leaves[0], 8), self.z))
        box = [(-0.34, 0.5), (-0.26, 0.0), (0.26, 0.0), (0.34, 0.5)]
        tub = np.array([(self.x + a, y, self.z) for a, y in box])
        canvas.paint(tub, vary(rng, (150, 104, 82), 10), TREE)
        n = 90
        direction = rng.normal(size=(n, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        centres = np.array([[self.x, 0.86, self.z]]) + direction * [0.36, 0.40, 0.0]
        tones = 0.78 + 0.35 * (direction @ np.asarray(canvas.light.sun)) + rng.normal(0, 0.1, n)
        canvas.discs(centres[:1] * 0 + [[self.x, 0.86, self.z]], np.array([0.44]), leaf[None] * 0.6, TREE)
        canvas.discs(centres, rng.uniform(0.07, 0.13, n), np.minimum(leaf * np.maximum(tones, 0.3)[:, None], 255), TREE)
