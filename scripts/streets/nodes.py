"""Cycles node trees around one Principled shader: noise, stains, puddles, bricks."""

from __future__ import annotations

import bpy

Colour = tuple[float, float, float]


class Tree:
    """A node tree around one Principled shader."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self._tree = tree
        self._shader = tree.nodes["Principled BSDF"]

    def new(self, kind: str) -> bpy.types.Node:
        return self._tree.nodes.new(kind)

    def set(self, **values) -> None:
        for name, value in values.items():
            self._shader.inputs[name].default_value = (*value, 1.0) if isinstance(value, tuple) else value

    def link(self, output, name: str) -> None:
        self._tree.links.new(output, self._shader.inputs[name])

    def object_colour(self):
        return self.new("ShaderNodeObjectInfo").outputs["Color"]

    def mix(self, factor, low, high):
        """Colour between two, each a constant or an output."""
        node = self.new("ShaderNodeMix")
        node.data_type = "RGBA"
        for name, value in ((0, factor), (6, low), (7, high)):
            if isinstance(value, tuple):
                node.inputs[name].default_value = (*value, 1.0)
            else:
                self._tree.links.new(value, node.inputs[name])
        return node.outputs[2]

    def noise(self, scale: float, detail: float = 6.0):
        """0-1 noise over metres of the world."""
        node = self.new("ShaderNodeTexNoise")
        node.inputs["Scale"].default_value, node.inputs["Detail"].default_value = scale, detail
        self._tree.links.new(self.new("ShaderNodeNewGeometry").outputs["Position"], node.inputs["Vector"])
        return node.outputs["Fac"] if "Fac" in node.outputs else node.outputs[0]

    def ramp(self, value, low: float, high: float, to_low: float, to_high: float):
        node = self.new("ShaderNodeMapRange")
        for index, number in enumerate((low, high, to_low, to_high), 1):
            node.inputs[index].default_value = number
        self._tree.links.new(value, node.inputs[0])
        return node.outputs[0]

    def mottle(self, colour: Colour, strength: float, scale: float) -> None:
        """Dark stains over a colour."""
        dark = tuple(channel * (1 - strength) for channel in colour)
        self.link(self.mix(self.ramp(self.noise(scale), 0.35, 0.65, 0, 1), dark, colour), "Base Color")

    def puddles(self, wet: float, damp: float) -> None:
        """Roughness that falls to that of water in places."""
        self.link(self.ramp(self.noise(0.35, 4.0), 0.42, 0.58, wet, damp), "Roughness")

    def brick(self, colour) -> None:
        """Courses of bricks in the colour of the object, darker mortar and stains."""
        node = self.new("ShaderNodeTexBrick")
        node.inputs["Scale"].default_value = 1.0
        for name, value in (("Brick Width", 0.5), ("Row Height", 0.16), ("Mortar Size", 0.018)):
            node.inputs[name].default_value = value
        node.inputs["Mortar"].default_value = (0.10, 0.095, 0.09, 1.0)
        self._tree.links.new(self._wall_coordinates(), node.inputs["Vector"])
        darker = self.mix(self.ramp(self.noise(0.6), 0.3, 0.7, 0, 1), (0.03, 0.03, 0.03), colour)
        self._tree.links.new(colour, node.inputs["Color1"])
        self._tree.links.new(darker, node.inputs["Color2"])
        stain = self.ramp(self.noise(0.25), 0.35, 0.6, 0.45, 0.0)
        self.link(self.mix(stain, node.outputs["Color"], (0.02, 0.02, 0.02)), "Base Color")

    def paving(self, colour: Colour, joint: Colour, size: float) -> None:
        node = self.new("ShaderNodeTexBrick")
        node.offset = 0.5
        node.inputs["Scale"].default_value = 1.0
        for name, value in (("Brick Width", size), ("Row Height", size), ("Mortar Size", 0.012 * size + 0.004)):
            node.inputs[name].default_value = value
        node.inputs["Color1"].default_value = (*colour, 1.0)
        node.inputs["Color2"].default_value = (*(channel * 0.85 for channel in colour), 1.0)
        node.inputs["Mortar"].default_value = (*joint, 1.0)
        self._tree.links.new(self.new("ShaderNodeNewGeometry").outputs["Position"], node.inputs["Vector"])
        self.link(node.outputs["Color"], "Base Color")

    def _wall_coordinates(self):
        """(x + y, z): along a wall and up, whichever way it looks."""
        split = self.new("ShaderNodeSeparateXYZ")
        self._tree.links.new(self.new("ShaderNodeNewGeometry").outputs["Position"], split.inputs[0])
        total = self.new("ShaderNodeMath")
        self._tree.links.new(split.outputs[0], total.inputs[0])
        self._tree.links.new(split.outputs[1], total.inputs[1])
        join = self.new("ShaderNodeCombineXYZ")
        self._tree.links.new(total.outputs[0], join.inputs[0])
        self._tree.links.new(split.outputs[2], join.inputs[1])
        return join.outputs[0]
