"""The classes that label files and models speak of: built-in tables, translations between them, colours."""

from __future__ import annotations

import difflib

import cv2
import numpy as np

from pca_core.checks import InputError
from pca_core.types import IGNORE_INDEX, LabelSpace

MAX_CLASSES = IGNORE_INDEX
"""Class indices are 0 to 254, because 255 is a pixel without a label."""
UNLABELLED_RGB = (128, 128, 128)
"""Mid grey: the colour of pixels without a label."""

_CITYSCAPES = {  # official trainId order and colours; the key order is the class index
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
_CAMVID = {  # CamVid's colours, but for the sky: its (128, 128, 128) is the grey of pixels without a label
    "sky": (70, 130, 180),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (0, 0, 192),
    "tree": (128, 128, 0),
    "sign symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
_PLCA_16 = [  # the order of the authors' code
    "sky",
    "building",
    "road",
    "sidewalk",
    "fence",
    "vegetation",
    "pole",
    "car",
    "traffic sign",
    "pedestrian",
    "bicycle",
    "motorcycle",
    "traffic light",
    "rider",
    "bus",
    "wall",
]
_SYNTHIA_16 = [name for name in _CITYSCAPES if name not in ("terrain", "truck", "train")]
_SYNTHIA_13 = [name for name in _SYNTHIA_16 if name not in ("wall", "fence", "pole")]
# Okabe and Ito's colours, without black: told apart with any common colour vision.
_OKABE_ITO = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# Linear RGB as seen without red or without green cones (Machado, Oliveira and Fernandes 2009, severity 1).
_PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
_DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
_SAME_CLASS = {"pedestrian": "person"}
"""Other names of Cityscapes classes."""


def canonical(class_name: str) -> str:
    """The Cityscapes name of a class that goes by several, e.g. "person" for "pedestrian"; other names as they are."""
    return _SAME_CLASS.get(class_name, class_name)


def _space(name: str, class_names: list[str]) -> LabelSpace:
    palette = tuple(_CITYSCAPES[canonical(class_name)] for class_name in class_names)
    return LabelSpace(name, tuple(class_names), palette)


LABEL_SPACES: dict[str, LabelSpace] = {
    "cityscapes-19": _space("cityscapes-19", list(_CITYSCAPES)),
    "synthia-16": _space("synthia-16", _SYNTHIA_16),
    "synthia-13": _space("synthia-13", _SYNTHIA_13),
    "plca-16": _space("plca-16", _PLCA_16),
    "plca-19": _space("plca-19", [*_PLCA_16, "terrain", "truck", "train"]),
    "camvid-11": LabelSpace("camvid-11", tuple(_CAMVID), tuple(_CAMVID.values()), ignore_index=11),
}


def get_label_space(name: str) -> LabelSpace:
    """Look up a built-in label space.

    Args:
        name: A key of :data:`LABEL_SPACES`.

    Returns:
        The label space.

    Raises:
        InputError: ``CLASSES_UNKNOWN_SPACE``, with the nearest names.
    """
    if name in LABEL_SPACES:
        return LABEL_SPACES[name]
    near = difflib.get_close_matches(str(name), LABEL_SPACES, cutoff=0.4) or list(LABEL_SPACES)
    raise InputError("CLASSES_UNKNOWN_SPACE", f"There is no label space {name!r}. Did you mean {' or '.join(near)}?")


def generate_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """Choose colours that differ from each other and from mid grey, also for colour-blind eyes.

    The first seven are Okabe and Ito's; each further one is the colour of a coarse grid whose smallest Lab distance to
    those before it is largest, where a distance counts as the smallest of normal, red-blind and green-blind vision.

    Args:
        count: Number of classes, 1 to 255.

    Returns:
        One RGB colour (0-255) per class, the same for the same count; shorter palettes are beginnings of longer ones.

    Raises:
        InputError: ``CLASSES_COUNT`` when the count is out of range.
    """
    if not 1 <= count <= MAX_CLASSES:
        raise InputError("CLASSES_COUNT", f"A palette needs 1 to {MAX_CLASSES} classes, got {count}.")
    levels = np.linspace(0, 255, 8).round().astype(int)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    colours = np.concatenate([_OKABE_ITO, [UNLABELLED_RGB], grid])
    seen = _seen_colours(colours)
    distance = np.full(len(colours), np.inf)
    chosen: list[int] = []
    grey = len(_OKABE_ITO)
    for step in range(count + 1):
        is_seed = step <= grey  # mid grey is taken as if it were a class, then left out
        new = step if is_seed else int(distance.argmax())
        distance = np.minimum(distance, np.linalg.norm(seen - seen[:, new : new + 1], axis=-1).min(axis=0))
        chosen.append(new)
    palette = [tuple(int(channel) for channel in colours[i]) for i in chosen if i != grey]
    return tuple(palette[:count])


def _seen_colours(colours: np.ndarray) -> np.ndarray:
    """(N, 3) RGB 0-255 -> (3, N, 3) Lab for normal, red-blind and green-blind vision."""
    scaled = colours / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    views = np.stack([linear @ np.transpose(matrix) for matrix in (np.eye(3), _PROTANOPIA, _DEUTERANOPIA)])
    return cv2.cvtColor(views.clip(0, 1).astype(np.float32), cv2.COLOR_LRGB2Lab)
