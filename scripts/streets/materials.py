"""Surfaces as Cycles node trees: plain and clean at noon; worn, wet and dirty at dusk."""

from __future__ import annotations

import bpy

from scripts.streets.nodes import Colour, Tree

# name: (colour, roughness) at noon, and the same at dusk where it differs
PLAIN: dict[str, tuple[Colour, float]] = {
    "white": ((0.85, 0.85, 0.83), 0.5),
    "dark frame": ((0.05, 0.05, 0.055), 0.4),
    "stone": ((0.62, 0.58, 0.50), 0.8),
    "plinth": ((0.42, 0.40, 0.37), 0.8),
    "door": ((0.16, 0.07, 0.03), 0.4),
    "shutter green": ((0.03, 0.20, 0.09), 0.6),
    "shutter blue": ((0.05, 0.14, 0.34), 0.6),
    "shutter brown": ((0.22, 0.09, 0.04), 0.6),
    "awning red": ((0.65, 0.05, 0.04), 0.8),
    "awning green": ((0.04, 0.32, 0.14), 0.8),
    "awning cream": ((0.85, 0.78, 0.58), 0.8),
    "chimney": ((0.35, 0.13, 0.09), 0.9),
    "metal": ((0.45, 0.46, 0.47), 0.35),
    "iron": ((0.02, 0.02, 0.022), 0.4),
    "panel": ((0.32, 0.33, 0.34), 0.5),
    "fascia dark": ((0.03, 0.03, 0.035), 0.4),
    "fascia red": ((0.28, 0.03, 0.03), 0.4),
    "fascia green": ((0.03, 0.14, 0.08), 0.4),
    "rubber": ((0.02, 0.02, 0.02), 0.7),
    "tyre": ((0.015, 0.015, 0.015), 0.8),
    "rim": ((0.55, 0.56, 0.58), 0.25),
    "plate": ((0.85, 0.85, 0.8), 0.4),
    "frame": ((0.45, 0.04, 0.04), 0.3),
    "denim": ((0.04, 0.07, 0.18), 0.9),
    "dark cloth": ((0.03, 0.03, 0.035), 0.9),
    "beige cloth": ((0.42, 0.34, 0.22), 0.9),
    "leather": ((0.05, 0.03, 0.02), 0.5),
    "skin": ((0.60, 0.36, 0.25), 0.6),
    "hair": ((0.05, 0.03, 0.02), 0.6),
    "light hair": ((0.35, 0.22, 0.08), 0.6),
    "bag": ((0.12, 0.08, 0.18), 0.8),
    "umbrella": ((0.03, 0.03, 0.05), 0.4),
    "helmet": ((0.75, 0.72, 0.68), 0.3),
    "steel": ((0.30, 0.31, 0.32), 0.45),
    "wood": ((0.17, 0.10, 0.06), 0.9),
    "signal box": ((0.02, 0.025, 0.02), 0.5),
    "fence wood": ((0.75, 0.73, 0.68), 0.7),
    "fence board": ((0.24, 0.13, 0.07), 0.8),
    "rail": ((0.30, 0.33, 0.34), 0.4),
    "manhole": ((0.08, 0.08, 0.08), 0.4),
    "sign red": ((0.62, 0.02, 0.02), 0.4),
    "sign white": ((0.88, 0.88, 0.86), 0.4),
    "sign blue": ((0.02, 0.10, 0.50), 0.4),
    "sign yellow": ((0.75, 0.50, 0.02), 0.4),
    "sign green": ((0.02, 0.24, 0.10), 0.4),
    "headlight": ((0.75, 0.78, 0.80), 0.1),
    "tail light": ((0.45, 0.01, 0.01), 0.2),
    "lamp": ((0.8, 0.8, 0.75), 0.3),
    "signal green": ((0.01, 0.08, 0.03), 0.3),
    "signal amber": ((0.15, 0.07, 0.01), 0.3),
    "signal red": ((0.14, 0.01, 0.01), 0.3),
    "bark": ((0.13, 0.085, 0.055), 0.95),
    "tiles": ((0.48, 0.15, 0.07), 0.8),
    "kerb": ((0.55, 0.54, 0.52), 0.8),
    "marking": ((0.85, 0.85, 0.83), 0.7),
    "yellow marking": ((0.62, 0.40, 0.04), 0.5),
    "concrete trim": ((0.34, 0.32, 0.29), 0.8),
    "ground": ((0.30, 0.32, 0.22), 0.95),
}
GLOWING: dict[str, tuple[Colour, float]] = {
    "lit glass": ((1.0, 0.66, 0.30), 1.3),
    "shop glass": ((1.0, 0.80, 0.55), 1.5),
    "headlight on": ((1.0, 0.95, 0.82), 28.0),
    "tail light on": ((1.0, 0.03, 0.02), 7.0),
    "lamp on": ((1.0, 0.74, 0.40), 40.0),
    "signal green on": ((0.05, 1.0, 0.35), 9.0),
    "signal amber on": ((1.0, 0.5, 0.02), 9.0),
    "signal red on": ((1.0, 0.04, 0.02), 9.0),
}
DIRT = {
    "stone",
    "plinth",
    "panel",
    "concrete trim",
    "white",
    "metal",
    "steel",
    "fence board",
    "fence wood",
    "rail",
    "kerb",
    "marking",
    "yellow marking",
    "chimney",
    "wood",
}


class Materials:
    """The surfaces of one domain, made when they are first asked for."""

    def __init__(self, domain: str) -> None:
        self._is_wet = domain != "noon"
        self._made: dict[str, bpy.types.Material] = {}

    def __getitem__(self, name: str) -> bpy.types.Material:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> bpy.types.Material:
        material = bpy.data.materials.new(name)
        material.use_nodes = True
        material.cycles.emission_sampling = "NONE"  # windows and lights are seen, but lamps light the street
        tree = Tree(material.node_tree)
        special = {
            "wall": self._wall,
            "asphalt": self._asphalt,
            "paving": self._paving,
            "leaf": self._leaf,
            "paint": self._paint,
            "coat": self._coat,
        }
        if name in special:
            special[name](tree)
        elif name in GLOWING:
            colour, strength = GLOWING[name]
            tree.set(**{"Base Color": colour, "Emission Color": colour, "Emission Strength": strength, "Roughness": 0.2})
        elif name in ("glass", "curtain glass", "window"):
            colour = (0.02, 0.025, 0.03) if name != "curtain glass" else (0.04, 0.07, 0.085)
            tree.set(**{"Base Color": colour, "Roughness": 0.04, "Specular IOR Level": 0.9})
        else:
            colour, roughness = PLAIN[name]
            tree.set(**{"Base Color": colour, "Roughness": roughness * (0.55 if self._is_wet and name != "bark" else 1.0)})
            if self._is_wet and name in DIRT:
                tree.mottle(colour, 0.55, scale=3.0)
        return material

    def _wall(self, tree: Tree) -> None:
        """The colour of the house; at dusk bricks or stained concrete, by what the object says."""
        colour = tree.object_colour()
        tree.set(Roughness=0.9 if not self._is_wet else 0.6)
        if not self._is_wet:
            tree.link(colour, "Base Color")
            return
        tree.brick(colour)

    def _asphalt(self, tree: Tree) -> None:
        if not self._is_wet:
            tree.set(**{"Base Color": (0.105, 0.105, 0.11), "Roughness": 0.9})
            tree.mottle((0.105, 0.105, 0.11), 0.15, scale=1.2)
            return
        tree.set(**{"Specular IOR Level": 0.7})
        tree.mottle((0.035, 0.036, 0.04), 0.5, scale=1.5)
        tree.puddles(0.04, 0.42)

    def _paving(self, tree: Tree) -> None:
        if self._is_wet:
            tree.paving((0.15, 0.145, 0.14), (0.06, 0.06, 0.06), size=0.5)
            tree.puddles(0.12, 0.5)
        else:
            tree.set(Roughness=0.9)
            tree.paving((0.52, 0.47, 0.40), (0.40, 0.36, 0.30), size=1.0)

    def _leaf(self, tree: Tree) -> None:
        """Every leaf a little different."""
        low, high = ((0.045, 0.13, 0.018), (0.12, 0.26, 0.04)) if not self._is_wet else ((0.20, 0.065, 0.012), (0.36, 0.19, 0.03))
        tree.set(Roughness=0.6 if not self._is_wet else 0.35)
        random = tree.new("ShaderNodeNewGeometry").outputs["Random Per Island"]
        tree.link(tree.mix(random, low, high), "Base Color")

    def _paint(self, tree: Tree) -> None:
        tree.set(Roughness=0.35, **{"Coat Weight": 1.0, "Coat Roughness": 0.04})
        tree.link(tree.object_colour(), "Base Color")

    def _coat(self, tree: Tree) -> None:
        tree.set(Roughness=0.95)
        tree.link(tree.object_colour(), "Base Color")
