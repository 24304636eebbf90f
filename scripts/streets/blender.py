"""From a street to a picture and its labels with Cycles: meshes, objects with a class each, sky, lamps, camera, render."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np
import OpenEXR

from scripts.streets import furniture, ground, people, plants, vehicles
from scripts.streets.buildings import make_building
from scripts.streets.materials import Materials
from scripts.streets.mesh import Mesh
from scripts.streets.street import Item, Street

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist")
SAMPLES = {"noon": 12, "dusk-rain": 14}


class Studio:
    """One Blender scene for many streets: the models of things are kept, what a street places is cleared away."""

    def __init__(self, domain: str, width: int, height: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._domain, self._is_dusk = domain, domain != "noon"
        self._materials = Materials(domain)
        self._models: dict[tuple[str, int], list[tuple[str, bpy.types.Mesh]]] = {}
        self._scene = bpy.context.scene
        _set_up_render(self._scene, domain, width, height)

    def render(self, street: Street) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) float32 linear light, and (H, W) uint8 class ids, 0 where there is nothing but sky."""
        self._clear()
        self._place("road", self._mesh(ground.make_road(street)))
        self._place("pavement", self._mesh(ground.make_pavement(street)))
        for building in street.buildings:
            self._place("building", self._mesh(make_building(building)), colour=building.colour)
        for item in street.items:
            self._put(item, street)
        _light(self._scene, street)
        _aim(self._scene, street)
        with tempfile.TemporaryDirectory() as folder:
            self._scene.render.filepath = str(Path(folder) / "frame.exr")
            bpy.ops.render.render(write_still=True)
            return _read(self._scene.render.filepath)

    def _clear(self) -> None:
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        kept = {model.name for parts in self._models.values() for _, model in parts}
        for mesh in list(bpy.data.meshes):
            if mesh.name not in kept:
                bpy.data.meshes.remove(mesh)
        for light in list(bpy.data.lights):
            bpy.data.lights.remove(light)

    def _mesh(self, mesh: Mesh) -> bpy.types.Mesh:
        """Hand the arrays over to Blender; corners that a quad repeats are dropped."""
        vertices, quads = mesh.vertices.astype(np.float32), mesh.quads.astype(np.int32)
        is_corner = np.ones(quads.shape, bool)
        is_corner[:, 3] = quads[:, 3] != quads[:, 2]
        names, slots = np.unique(mesh.materials, return_inverse=True)
        data = bpy.data.meshes.new("mesh")
        data.vertices.add(len(vertices))
        data.vertices.foreach_set("co", vertices.ravel())
        loops = quads[is_corner]
        data.loops.add(len(loops))
        data.loops.foreach_set("vertex_index", loops)
        counts = is_corner.sum(1)
        data.polygons.add(len(quads))
        data.polygons.foreach_set("loop_start", (np.cumsum(counts) - counts).astype(np.int32))
        data.polygons.foreach_set("material_index", slots.astype(np.int32))
        data.polygons.foreach_set("use_smooth", mesh.smooth)
        for name in names:
            data.materials.append(self._materials[str(name)])
        data.update(calc_edges=True)
        return data

    def _place(self, label: str, data: bpy.types.Mesh, *, colour=(1.0, 1.0, 1.0), location=(0, 0, 0), yaw=0.0, scale=1.0) -> None:
        thing = bpy.data.objects.new(label, data)
        thing.location, thing.rotation_euler, thing.scale = location, (0, 0, yaw), (scale,) * 3
        thing.color = (*colour, 1.0)
        thing.pass_index = CLASSES.index(label)
        self._scene.collection.objects.link(thing)

    def _put(self, item: Item, street: Street) -> None:
        is_on_pavement = abs(item.x) > street.half_road and not street.is_in_junction(item.y)
        for label, data in self._model(item.kind, item.variant):
            self._place(
                label,
                data,
                colour=item.colour,
                location=(item.x, item.y, ground.KERB if is_on_pavement else 0.0),
                yaw=item.yaw,
                scale=item.scale,
            )
        if item.kind == "lamp" and self._is_dusk and item.y < 90:
            x, z = furniture.LAMP_HEADS[item.variant]
            _add_lamp(self._scene, (item.x + x * np.cos(item.yaw), item.y, z + 0.1))

    def _model(self, kind: str, variant: int) -> list[tuple[str, bpy.types.Mesh]]:
        if (kind, variant) not in self._models:
            self._models[kind, variant] = [(label, self._mesh(mesh)) for label, mesh in self._parts(kind, variant)]
        return self._models[kind, variant]

    def _parts(self, kind: str, variant: int) -> list[tuple[str, Mesh]]:
        """(class, mesh) of everything that a thing consists of."""
        dusk = self._is_dusk
        makers = {
            "car": lambda: [("car", vehicles.make_car(variant, has_lights=False))],
            "moving car": lambda: [("car", vehicles.make_car(variant, has_lights=dusk))],
            "cyclist": lambda: [("bicyclist", people.make_cyclist(variant))],
            "person": lambda: [("pedestrian", people.make_person(variant, is_in_rain=dusk))],
            "tree": lambda: [("tree", plants.make_tree(variant, is_autumn=dusk))],
            "lamp": lambda: [("pole", furniture.make_lamp(variant, is_lit=dusk))],
            "sign": lambda: [("pole", furniture.make_sign_post()), ("sign symbol", furniture.make_sign(variant, is_worn=dusk))],
            "traffic light": lambda: [
                ("pole", furniture.make_light_post(variant)),
                ("sign symbol", furniture.make_light_box(variant, is_dark=dusk)),
            ],
            "bollard": lambda: [("pole", furniture.make_bollard())],
            "utility": lambda: [("pole", furniture.make_utility_pole())],
            "fence": lambda: [("fence", furniture.make_fence(variant))],
        }
        return makers[kind]()


def _set_up_render(scene: bpy.types.Scene, domain: str, width: int, height: int) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = SAMPLES[domain], True
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.denoising_prefilter, scene.cycles.denoising_quality = "FAST", "FAST"
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces, scene.cycles.glossy_bounces = 3, 1, 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 4.0
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.view_layers[0].use_pass_object_index = True
    scene.view_layers[0].use_pass_z = True
    scene.render.image_settings.media_type = "MULTI_LAYER_IMAGE"
    scene.render.image_settings.file_format = "OPEN_EXR_MULTILAYER"


def _light(scene: bpy.types.Scene, street: Street) -> None:
    """Sun and sky."""
    scene.world = scene.world or bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    nodes, links = scene.world.node_tree.nodes, scene.world.node_tree.links
    nodes.clear()
    background, output = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeOutputWorld")
    links.new(background.outputs[0], output.inputs[0])
    is_noon = street.domain == "noon"
    rng = np.random.default_rng(street.seed)
    if is_noon:
        stops = [(0.0, (0.55, 0.70, 0.90)), (0.12, (0.36, 0.58, 0.92)), (0.6, (0.10, 0.27, 0.70))]
    else:
        warmth = rng.uniform(0.3, 1.0)
        stops = [
            (0.0, (0.50 + 0.25 * warmth, 0.42, 0.40 - 0.12 * warmth)),
            (0.10, (0.36, 0.34, 0.38)),
            (0.35, (0.17, 0.19, 0.26)),
            (1.0, (0.06, 0.08, 0.13)),
        ]
    colour = _gradient(nodes, links, stops)
    if not is_noon:
        colour = _clouds(nodes, links, colour)
    links.new(colour, background.inputs[0])
    background.inputs[1].default_value = 1.15 if is_noon else rng.uniform(1.1, 2.2)
    elevation, azimuth = np.radians(street.light.elevation), np.radians(street.light.azimuth)
    sun = bpy.data.lights.new("sun", "SUN")
    sun.energy, sun.angle = (4.4, 0.009) if is_noon else (0.5, 0.35)
    sun.color = (1.0, 0.95, 0.86) if is_noon else (1.0, 0.62, 0.38)
    thing = bpy.data.objects.new("sun", sun)
    thing.rotation_euler = (np.pi / 2 - elevation, 0.0, np.pi - azimuth)
    scene.collection.objects.link(thing)


def _gradient(nodes, links, stops):
    """Colour by the height of the view above the horizon, 0-1."""
    coordinates, split, ramp = (
        nodes.new("ShaderNodeTexCoord"),
        nodes.new("ShaderNodeSeparateXYZ"),
        nodes.new("ShaderNodeValToRGB"),
    )
    links.new(coordinates.outputs["Generated"], split.inputs[0])
    links.new(split.outputs[2], ramp.inputs[0])
    elements = ramp.color_ramp.elements
    while len(elements) < len(stops):
        elements.new(1.0)
    for element, (position, colour) in zip(elements, stops, strict=True):
        element.position, element.color = position, (*colour, 1.0)
    return ramp.outputs[0]


def _clouds(nodes, links, colour):
    noise, mix, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeMix"), nodes.new("ShaderNodeMapRange")
    coordinates, mapping = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping")
    mapping.inputs["Scale"].default_value = (1.0, 1.0, 4.0)
    links.new(coordinates.outputs["Generated"], mapping.inputs[0])
    links.new(mapping.outputs[0], noise.inputs["Vector"])
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 2.2, 5.0
    links.new(noise.outputs[0], ramp.inputs[0])
    for index, number in enumerate((0.42, 0.68, 0.0, 0.75), 1):
        ramp.inputs[index].default_value = number
    mix.data_type = "RGBA"
    links.new(ramp.outputs[0], mix.inputs[0])
    links.new(colour, mix.inputs[6])
    mix.inputs[7].default_value = (0.10, 0.11, 0.14, 1.0)
    return mix.outputs[2]


def _add_lamp(scene: bpy.types.Scene, location) -> None:
    lamp = bpy.data.lights.new("lamp", "SPOT")
    lamp.energy, lamp.color, lamp.spot_size, lamp.spot_blend = 900.0, (1.0, 0.70, 0.36), np.radians(150), 0.6
    lamp.shadow_soft_size = 0.2
    thing = bpy.data.objects.new("lamp", lamp)
    thing.location = location
    scene.collection.objects.link(thing)


def _aim(scene: bpy.types.Scene, street: Street) -> None:
    view = street.camera
    camera = bpy.data.cameras.new("camera")
    camera.angle, camera.clip_end = np.radians(view.field_of_view), 1500.0
    thing = bpy.data.objects.new("camera", camera)
    thing.location = (view.x, 0.0, view.height)
    thing.rotation_euler = (np.radians(90 + view.pitch), np.radians(view.roll), np.radians(view.yaw))
    scene.collection.objects.link(thing)
    scene.camera = thing


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    with OpenEXR.File(path, separate_channels=True) as file:
        channels = {name.split(".", 1)[1]: part.channels[name].pixels for part in file.parts for name in part.channels}
    light = np.stack([channels[f"Combined.{name}"] for name in "RGB"], -1).astype(np.float32)
    return light, np.rint(channels["Object Index.X"]).astype(np.uint8)
