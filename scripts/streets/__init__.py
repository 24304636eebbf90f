"""The built-in streets: procedural scenes in two domains, rendered with Blender's Cycles. Only scripts/ knows Blender."""
