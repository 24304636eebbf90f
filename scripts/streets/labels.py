"""The label space of the drawn streets: the core's own ``camvid-11``."""

from __future__ import annotations

from pca_core.data import get_label_space

_SPACE = get_label_space("camvid-11")
CLASS_NAMES, PALETTE, VOID = _SPACE.class_names, _SPACE.palette, _SPACE.ignore_index
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
