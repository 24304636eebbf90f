"""Tiny data sets laid out on disk as the real ones are downloaded, with the same kinds of files.

Every label shows road on the left, a car on the right and, where the data set has such a thing, a stripe without a class.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 24, 48
CLASS_NAMES = ("road", "car", None)  # of the three stripes


def stripes(road: int, car: int, void: int) -> np.ndarray:
    ids = np.full((HEIGHT, WIDTH), void, np.int32)
    ids[:, :20], ids[:, 20:40] = road, car
    return ids


def write(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette)
    picture.save(path)


def write_image(path: Path, value: int = 90) -> None:
    write(path, np.full((HEIGHT, WIDTH, 3), value % 256, np.uint8))


def write_ids(path: Path, ids: np.ndarray) -> None:
    write(path, ids.astype(np.uint8))


def make_gtav(root: Path, names: Iterable[str] = ("00001", "00002", "00003", "00004")) -> Path:
    """Palette PNGs with Cityscapes label ids, 34 for licence plates, and split.mat."""
    palette = [channel for index in range(256) for channel in (index * 37 % 256, index * 91 % 256, 255 - index)]
    for number, name in enumerate(names):
        write_image(root / f"images/{name}.png", number)
        write(root / f"labels/{name}.png", stripes(7, 26, 34).astype(np.uint8), palette)
    parts = {"trainIds": [[1], [3]], "valIds": [[2]], "testIds": [[4]]}
    savemat(root / "split.mat", {name: np.array(numbers, np.uint16) for name, numbers in parts.items()})
    return root


def make_synthia(root: Path) -> Path:
    """16-bit RGB PNGs: class, instance, nothing; GT/COLOR beside them."""
    for number in range(3):
        name = f"{number:07d}.png"
        write_image(root / "RGB" / name, number)
        label = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
        label[..., 0], label[:, 20:40, 1] = stripes(3, 8, 0), 700 + number
        path = root / "GT/LABELS" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), label[..., ::-1])  # OpenCV writes blue first
        write_image(root / "GT/COLOR" / name)
    return root


def make_cityscapes(root: Path, kinds: Iterable[str] = ("labelIds", "labelTrainIds")) -> Path:
    ids = {"labelIds": stripes(7, 26, 4), "labelTrainIds": stripes(0, 13, 255)}
    for part, cities in {"train": ("aachen", "ulm"), "val": ("frankfurt",), "test": ("berlin",)}.items():
        for city in cities:
            for frame in ("000000_000019", "000001_000019"):
                stem = f"{city}/{city}_{frame}"
                write_image(root / f"leftImg8bit/{part}/{stem}_leftImg8bit.png")
                for kind in kinds:
                    write_ids(root / f"gtFine/{part}/{stem}_gtFine_{kind}.png", ids[kind])
                write_image(root / f"gtFine/{part}/{stem}_gtFine_color.png")
                (root / f"gtFine/{part}/{stem}_gtFine_polygons.json").write_text("{}")
    return root


def make_acdc(root: Path) -> Path:
    for condition in ("fog", "night", "rain", "snow"):
        for part, sequence in {"train": "GOPR0475", "val": "GP010476", "test": "GP020475"}.items():
            stem = f"{condition}/{part}/{sequence}/{sequence}_frame_000041"
            write_image(root / f"rgb_anon/{stem}_rgb_anon.png")
            write_image(root / f"rgb_anon/{condition}/{part}_ref/{sequence}/{sequence}_frame_000041_rgb_ref_anon.png")
            if part != "test":
                write_ids(root / f"gt/{stem}_gt_labelIds.png", stripes(7, 26, 0))
                write_ids(root / f"gt/{stem}_gt_labelTrainIds.png", stripes(0, 13, 255))
                write_ids(root / f"gt/{stem}_gt_invIds.png", stripes(0, 1, 0))
    return root


def make_bdd100k(root: Path) -> Path:
    for part, names in {"train": ("0a0a0b1a-7c39d841", "0a0b32b2"), "val": ("7d2f7975-e0c1c5a7",), "test": ("ac6d4f42",)}.items():
        for name in names:
            write_image(root / f"images/10k/{part}/{name}.jpg")
            if part != "test":
                write_ids(root / f"labels/sem_seg/masks/{part}/{name}.png", stripes(0, 13, 255))
                write_image(root / f"labels/sem_seg/colormaps/{part}/{name}.png")
    return root


def make_bdd100k_old(root: Path) -> Path:
    for part in ("train", "val"):
        write_image(root / f"seg/images/{part}/7d2f7975-e0c1c5a7{part}.jpg")
        write_ids(root / f"seg/labels/{part}/7d2f7975-e0c1c5a7{part}_train_id.png", stripes(0, 13, 255))
    return root


MAPILLARY_CLASSES = [
    ("animal--bird", [165, 42, 42], True),
    ("construction--flat--road", [128, 64, 128], True),
    ("object--vehicle--car", [0, 0, 142], True),
    *((name, [10 + place, 20, 30], True) for place, name in enumerate(
        ("construction--barrier--curb", "construction--structure--building", "construction--barrier--wall",
         "construction--barrier--fence", "object--support--pole", "object--traffic-light", "object--traffic-sign--front",
         "nature--vegetation", "nature--terrain", "nature--sky", "human--person", "human--rider--bicyclist",
         "object--vehicle--truck", "object--vehicle--bus", "object--vehicle--on-rails", "object--vehicle--motorcycle",
         "object--vehicle--bicycle")
    )),
    ("void--unlabeled", [0, 0, 0], False),
]  # fmt: skip


def make_mapillary(root: Path, labels: str = "v1.2/labels", config: str = "config_v1.2.json") -> Path:
    palette = [channel for _, colour, _ in MAPILLARY_CLASSES for channel in colour]
    for part, names in {"training": ("-0A_x", "-1B_y"), "validation": ("-2C_z",), "testing": ("-3D_w",)}.items():
        for name in names:
            write_image(root / f"{part}/images/{name}.jpg")
            if part != "testing":
                ids = stripes(1, 2, len(MAPILLARY_CLASSES) - 1).astype(np.uint8)
                write(root / f"{part}/{labels}/{name}.png", ids, palette)
    entries = [
        {"color": colour, "instances": False, "readable": name, "name": name, "evaluate": is_evaluated}
        for name, colour, is_evaluated in MAPILLARY_CLASSES
    ]
    (root / config).write_text(json.dumps({"labels": entries, "version": 1.2}))
    return root


def make_camvid(root: Path) -> Path:
    """The original: colours of 32 classes; the road has lane markings in it, the car is a pick-up."""
    colours = np.array([(128, 64, 128), (128, 0, 192), (64, 128, 192), (0, 0, 0)], np.uint8)
    label = stripes(0, 2, 3)
    label[10, :20] = 1
    for name in ("0001TP_006690", "0016E5_00390"):
        write_image(root / f"701_StillsRaw_full/{name}.png")
        write(root / f"LabeledApproved_full/{name}_L.png", colours[label])
    lines = ("128 64 128\tRoad", "128 0 192\tLaneMkgsDriv", "64 128 192\tSUVPickupTruck", "0 0 0\t\tVoid", "128 128 128\tSky")
    (root / "label_colors.txt").write_text("\n".join((*lines, *CAMVID_OTHERS)) + "\n\n")
    return root


CAMVID_OTHERS = ("128 0 0\tBuilding", "192 192 128\tColumn_Pole", "0 0 192\tSidewalk", "128 128 0\tTree",
                 "192 128 128\tSignSymbol", "64 64 128\tFence", "64 64 0\tPedestrian", "0 128 192\tBicyclist")  # fmt: skip


def make_camvid_11(root: Path) -> Path:
    for part, names in {
        "train": ("0001TP_006690", "0016E5_00390"),
        "val": ("0016E5_07959",),
        "test": ("Seq05VD_f00000",),
    }.items():
        for name in names:
            write_image(root / f"{part}/{name}.png")
            write_ids(root / f"{part}annot/{name}.png", stripes(3, 8, 11))
        listed = [f"/SegNet/CamVid/{part}/{name}.png /SegNet/CamVid/{part}annot/{name}.png" for name in names]
        (root / f"{part}.txt").write_text("\n".join(listed))
    return root


def make_plain(root: Path) -> Path:
    for name in ("a", "b"):
        write_image(root / f"images/{name}.png")
        write_ids(root / f"labels/{name}.png", stripes(0, 1, 255))
    (root / "classes.json").write_text(json.dumps({"name": "two", "class_names": ["road", "car"]}))
    return root


MAKERS: dict[str, Callable[[Path], Path]] = {
    "gtav": make_gtav,
    "synthia": make_synthia,
    "cityscapes": make_cityscapes,
    "acdc": make_acdc,
    "bdd100k": make_bdd100k,
    "mapillary": make_mapillary,
    "camvid": make_camvid,
    "camvid-11": make_camvid_11,
    "folder": make_plain,
}
