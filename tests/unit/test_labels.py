"""Label spaces, the tables between them, classes.json, and label maps of every kind of file."""

from __future__ import annotations

import json
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from pca_core.checks import InputError
from pca_core.data import (
    ID_MAPS,
    LABEL_SPACES,
    class_frequencies,
    colorize,
    encode_png,
    find_label_space,
    generate_palette,
    get_label_space,
    read_label,
    read_label_space,
    resize_label,
)
from pca_core.types import LabelSpace

CAMVID = LABEL_SPACES["camvid-11"]
THREE = LabelSpace("three", ("road", "sky", "car"), ((10, 20, 30), (40, 50, 60), (70, 80, 90)), ignore_index=9)


def encode(pixels: np.ndarray | list | Image.Image, file_format: str = "PNG", **options) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def grey(rows: list[list[int]], dtype=np.uint8) -> np.ndarray:
    return np.array(rows, dtype)


def refused(code: str, call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("cityscapes-19", 19, "road", "bicycle"),
        ("synthia-16", 16, "road", "bicycle"),
        ("synthia-13", 13, "road", "bicycle"),
        ("plca-16", 16, "sky", "wall"),
        ("plca-19", 19, "sky", "train"),
        ("camvid-11", 11, "sky", "bicyclist"),
    ],
)
def test_built_in_label_spaces(name, count, first, last):
    space = get_label_space(name)
    assert (space.name, space.num_classes, space.class_names[0], space.class_names[-1]) == (name, count, first, last)
    assert len(set(space.palette)) == count, "a colour map could not be read back"
    assert (128, 128, 128) not in space.palette, "this grey means no label"


def test_subsets_keep_the_order_and_drop_the_published_classes():
    cityscapes, sixteen, thirteen = (LABEL_SPACES[n].class_names for n in ("cityscapes-19", "synthia-16", "synthia-13"))
    assert [c for c in cityscapes if c not in sixteen] == ["terrain", "truck", "train"]
    assert [c for c in sixteen if c not in thirteen] == ["wall", "fence", "pole"]
    assert list(thirteen) == [c for c in cityscapes if c in thirteen]
    colours = dict(zip(cityscapes, LABEL_SPACES["cityscapes-19"].palette, strict=True))
    plca = dict(zip(LABEL_SPACES["plca-19"].class_names, LABEL_SPACES["plca-19"].palette, strict=True))
    assert plca["pedestrian"] == colours["person"] == (220, 20, 60)


@pytest.mark.parametrize(
    ("space", "convention", "raw", "class_name"),
    [
        ("cityscapes-19", "label_ids", 7, "road"),
        ("cityscapes-19", "label_ids", 24, "person"),
        ("cityscapes-19", "label_ids", 33, "bicycle"),
        ("cityscapes-19", "label_ids", 29, None),  # caravan is not evaluated
        ("cityscapes-19", "label_ids", -1, None),  # license plate
        ("cityscapes-19", "train_ids", 18, "bicycle"),
        ("synthia-16", "synthia_ids", 10, "person"),  # SYNTHIA says pedestrian
        ("synthia-16", "synthia_ids", 21, "wall"),
        ("synthia-16", "synthia_ids", 16, None),  # terrain
        ("synthia-16", "synthia_ids", 22, None),  # lane marking
        ("synthia-16", "synthia_ids", 0, None),  # void
        ("synthia-13", "synthia_ids", 21, None),  # wall is not among the 13
        ("synthia-13", "label_ids", 33, "bicycle"),
        ("plca-16", "synthia_ids", 1, "sky"),
        ("plca-16", "label_ids", 24, "pedestrian"),
        ("plca-16", "label_ids", 22, None),  # terrain comes with the 19
        ("plca-19", "label_ids", 22, "terrain"),
        ("plca-19", "train_ids", 16, "train"),
        ("plca-16", "train_ids", 3, "wall"),
    ],
)
def test_id_maps(space, convention, raw, class_name):
    index = ID_MAPS[space][convention][raw]
    assert (None if index == 255 else LABEL_SPACES[space].class_names[index]) == class_name


def test_id_maps_reach_every_class_once():
    for space, conventions in ID_MAPS.items():
        for id_map in conventions.values():
            reached = sorted(index for index in id_map.values() if index != 255)
            assert reached == list(range(LABEL_SPACES[space].num_classes))


def test_cityscapes_label_ids_are_the_official_ones():
    official = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    id_map = ID_MAPS["cityscapes-19"]["label_ids"]
    assert {raw: index for raw, index in id_map.items() if index != 255} == dict(zip(official, range(19), strict=True))
    assert set(id_map) == set(range(-1, 34))


def test_unknown_label_space_names_the_nearest():
    assert "cityscapes-19" in refused("CLASSES_UNKNOWN_SPACE", get_label_space, "cityscape19")
    assert "camvid-11" in refused("CLASSES_UNKNOWN_SPACE", get_label_space, "zzz")


GOOD = {"name": "mine", "class_names": ["a", "b"], "ignore_index": 9, "palette": [[1, 2, 3], [4, 5, 6]]}


def test_classes_json_is_read(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(GOOD))
    assert read_label_space(path) == LabelSpace("mine", ("a", "b"), ((1, 2, 3), (4, 5, 6)), 9)
    path.write_text(json.dumps({"name": "mine", "class_names": ["a", "b"]}), encoding="utf-8-sig")  # Windows editors
    space = read_label_space(path)
    assert (space.ignore_index, space.palette) == (255, generate_palette(2))
    path.write_text(json.dumps({"name": "camvid-11", "class_names": CAMVID.class_names, "ignore_index": 11}))
    assert read_label_space(path) == CAMVID  # the known palette


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("{", "CLASSES_JSON", "not valid JSON"),
        ("[" * 100_000, "CLASSES_JSON", "not valid JSON"),  # deep nesting
        ('{"name": "a", "name": "b"}', "CLASSES_JSON", "twice"),
        ("[]", "CLASSES_JSON", "an object"),
        (" " * 1_000_001, "CLASSES_JSON", "bytes"),
        (GOOD | {"classes": []}, "CLASSES_KEYS", "'classes'"),
        ({"name": "mine"}, "CLASSES_KEYS", "'class_names'"),
        (GOOD | {"name": 3}, "CLASSES_NAME", "3"),
        (GOOD | {"class_names": "ab"}, "CLASSES_NAMES", "str"),
        (GOOD | {"class_names": []}, "CLASSES_NAMES", "0 entries"),
        (GOOD | {"class_names": ["a", 1]}, "CLASSES_NAMES", "1"),
        (GOOD | {"class_names": [str(i) for i in range(256)]}, "CLASSES_NAMES", "256 entries"),  # 255 means no label
        (GOOD | {"class_names": ["a", "a"]}, "CLASSES_DUPLICATE", "'a' 2 times"),
        (GOOD | {"ignore_index": 1}, "CLASSES_IGNORE_INDEX", "index of a class"),
        (GOOD | {"ignore_index": True}, "CLASSES_IGNORE_INDEX", "whole number"),
        (GOOD | {"ignore_index": 1.5}, "CLASSES_IGNORE_INDEX", "whole number"),
        (GOOD | {"palette": [[1, 2, 3]]}, "CLASSES_PALETTE", "1 entries"),
        (GOOD | {"palette": [[1, 2, 3], [4, 5, 256]]}, "CLASSES_PALETTE", "256"),
        (GOOD | {"palette": [[1, 2, 3], [4, 5]]}, "CLASSES_PALETTE", "three"),
        (GOOD | {"palette": [[1, 2, 3], [1, 2, 3]]}, "CLASSES_PALETTE", "more than once"),
        (GOOD | {"palette": "viridis"}, "CLASSES_PALETTE", "str"),
    ],
)
def test_faulty_classes_json_is_refused(tmp_path, text, code, expected):
    path = tmp_path / "classes.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    message = refused(code, read_label_space, path)
    assert expected in message
    assert "classes.json" in message


def test_classes_json_is_found_beside_or_one_level_above(tmp_path):
    folder = tmp_path / "camvid" / "day"
    folder.mkdir(parents=True)
    message = refused("CLASSES_NOT_FOUND", find_label_space, folder)
    assert str(folder) in message
    assert str(folder.parent) in message.replace(str(folder), "")
    (folder.parent / "classes.json").write_text(json.dumps(GOOD))
    assert find_label_space(folder).name == "mine"
    (folder / "classes.json").write_text(json.dumps(GOOD | {"name": "nearer"}))
    assert find_label_space(folder).name == "nearer"
    refused("CLASSES_NOT_FOUND", read_label_space, tmp_path / "nowhere.json")


def test_generated_palettes_are_distinct_and_stable():
    palette = generate_palette(255)
    assert len(set(palette)) == 255
    assert (128, 128, 128) not in palette
    assert generate_palette(11) == palette[:11]
    for count in (0, 256):
        refused("CLASSES_COUNT", generate_palette, count)


def test_generated_palette_survives_colour_blindness():
    """Without green cones the nearest two of 19 colours still differ by several just-noticeable steps of Lab."""
    deuteranopia = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]

    def nearest(palette):
        linear = (np.array(palette) / 255) ** 2.2 @ np.transpose(deuteranopia)
        lab = cv2.cvtColor(linear.clip(0, 1)[None].astype(np.float32), cv2.COLOR_LRGB2Lab)[0]
        distances = np.linalg.norm(lab[:, None] - lab, axis=-1)
        return distances[np.triu_indices(len(lab), 1)].min()

    assert nearest(generate_palette(19)) > 10
    assert nearest(generate_palette(19)) > 2 * nearest(LABEL_SPACES["cityscapes-19"].palette)


IDS = [[0, 1, 2], [2, 9, 255]]
INDICES = [[0, 1, 2], [2, 255, 255]]


def palette_png(rows: list[list[int]], bits: int = 8) -> bytes:
    picture = Image.fromarray(grey(rows))
    picture.putpalette([channel for i in range(2**bits) for channel in (i * 7 % 256, 5, 9)])
    return encode(picture, bits=bits)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (encode(grey(IDS)), "8-bit grey"),
        (encode(grey(IDS, np.uint16)), "16-bit grey"),
        (encode(grey(IDS), "TIFF"), "8-bit TIFF"),
        (encode(grey(IDS, np.uint16), "TIFF"), "16-bit TIFF"),
        (encode(grey(IDS, np.int32), "TIFF"), "32-bit TIFF"),
        (palette_png(IDS), "palette: the index counts, not the colour"),
        (encode(np.dstack([grey(IDS), np.full((2, 3), 255, np.uint8)])), "grey with opaque alpha"),
    ],
)
def test_files_of_ids(data, why):
    label = read_label(data, THREE)
    np.testing.assert_array_equal(label.ids, INDICES, err_msg=why)
    assert label.ids.dtype == np.uint8
    assert label.unknown == {}


@pytest.mark.parametrize(("bits", "rows"), [(1, [[0, 1, 1, 0]]), (2, [[0, 1, 2, 2]]), (4, [[0, 1, 2, 9]])])
def test_few_bits_are_not_stretched(bits, rows):
    """Pillow makes 0, 85, 170, 255 of 2-bit grey, and 0, 17, 34 ... of 4-bit grey."""
    expected = np.where(grey(rows) == 9, 255, rows)
    np.testing.assert_array_equal(read_label(palette_png(rows, bits), THREE).ids, expected)
    np.testing.assert_array_equal(read_label(cut_to_grey(palette_png(rows, bits)), THREE).ids, expected)


def cut_to_grey(png: bytes) -> bytes:
    """Turn a palette PNG of few bits, which Pillow can write, into a grey one, which it cannot."""
    body = bytearray(png[12:29])
    body[13] = 0  # colour type: grey
    start = png.index(b"IDAT") - 4
    return png[:12] + bytes(body) + zlib.crc32(bytes(body)).to_bytes(4, "big") + png[start:]


def test_colour_maps_are_matched_exactly():
    colours = np.array([[[10, 20, 30], [70, 80, 90], [40, 50, 60]]], np.uint8)
    np.testing.assert_array_equal(read_label(encode(colours), THREE).ids, [[0, 2, 1]])
    opaque = np.dstack([colours, np.full((1, 3), 255, np.uint8)])  # as Cityscapes ships its colour maps
    np.testing.assert_array_equal(read_label(encode(opaque), THREE).ids, [[0, 2, 1]])
    np.testing.assert_array_equal(read_label(encode_png(colorize(grey([[2, 0]]), THREE)), THREE).ids, [[2, 0]])
    colours[0, 0] = (10, 20, 31)
    assert "#0a141f (1 pixel)" in refused("LABEL_UNKNOWN_IDS", read_label, encode(colours), THREE)
    assert read_label(encode(colours), THREE, unknown="ignore").unknown == {0x0A141F: 1}
    np.testing.assert_array_equal(read_label(encode(colours), THREE, id_map={0x0A141F: 0}).ids, [[0, 2, 1]])


def test_pure_blue_is_a_colour_and_not_the_ignored_id_255():
    blue = np.array([[[0, 0, 255]]], np.uint8)
    assert "#0000ff" in refused("LABEL_UNKNOWN_IDS", read_label, encode(blue), THREE)


def test_16_bit_colour_holds_synthia_ids_in_red():
    red, instance = grey([[3, 10, 22, 0]], np.uint16), grey([[0, 700, 0, 0]], np.uint16)
    data = cv2.imencode(".png", np.dstack([np.zeros_like(red), instance, red]))[1].tobytes()  # BGR for OpenCV
    label = read_label(data, LABEL_SPACES["synthia-16"], id_map=ID_MAPS["synthia-16"]["synthia_ids"])
    road, person = (LABEL_SPACES["synthia-16"].class_names.index(name) for name in ("road", "person"))
    np.testing.assert_array_equal(label.ids, [[road, person, 255, 255]])


def test_unknown_ids_are_listed_with_counts_or_ignored():
    data = encode(grey([[0, 7, 7, 7], [3, 3, 200, 4], [5, 6, 8, 9]]))
    message = refused("LABEL_UNKNOWN_IDS", read_label, data, THREE)
    assert "7 (3 pixels), 3 (2 pixels), 4 (1 pixel)" in message
    assert "and 2 more" in message
    assert "--ignore-unknown" in message
    label = read_label(data, THREE, unknown="ignore")
    assert label.unknown == {3: 2, 4: 1, 5: 1, 6: 1, 7: 3, 8: 1, 200: 1}
    np.testing.assert_array_equal(label.ids, [[0] + [255] * 3, [255] * 4, [255] * 4])
    with pytest.raises(ValueError, match="'error' or 'ignore'"):
        read_label(data, THREE, unknown="skip")


def test_id_map_translates_and_is_checked():
    data = encode(grey([[7, 11, 9, 255]]))
    label = read_label(data, THREE, id_map={7: 0, 11: 255})
    np.testing.assert_array_equal(label.ids, [[0, 255, 255, 255]])
    refused("LABEL_UNKNOWN_IDS", read_label, encode(grey([[0]])), THREE, id_map={7: 0})  # 0 is not an index here
    assert "got 3" in refused("LABEL_ID_MAP", read_label, data, THREE, id_map={7: 3})
    assert "got -1" in refused("LABEL_ID_MAP", read_label, data, THREE, id_map={7: -1})


def test_negative_ids_of_signed_files():
    data = encode(grey([[-1, 7]], np.int32), "TIFF")
    space = LABEL_SPACES["cityscapes-19"]
    np.testing.assert_array_equal(read_label(data, space, id_map=ID_MAPS[space.name]["label_ids"]).ids, [[255, 0]])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode(grey(IDS), "JPEG"), "LABEL_LOSSY"),
        (encode(np.zeros((4, 4, 3), np.uint8), "WEBP", lossless=True), "LABEL_LOSSY"),
        (encode(np.zeros((16, 16, 3), np.uint8), "TIFF", compression="jpeg"), "LABEL_LOSSY"),
        (encode(np.zeros((2, 2), np.float32), "TIFF"), "LABEL_FORMAT"),
        (encode(np.zeros((2, 2, 4), np.uint8)), "LABEL_FORMAT"),  # transparent
        (encode(np.arange(300 * 300 * 3).reshape(300, 300, 3).astype(np.uint8)), "LABEL_UNKNOWN_IDS"),
        (encode(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)), "LABEL_FORMAT"),  # a photograph
        (encode(grey(IDS))[:-30], "IMAGE_BROKEN"),
        (b"GIF89a", "IMAGE_FORMAT"),
    ],
)
def test_files_that_are_no_label_maps(data, code):
    refused(code, read_label, data, THREE)


def test_one_colour_for_two_classes_cannot_be_read_back():
    space = LabelSpace("twins", ("a", "b"), ((1, 1, 1), (1, 1, 1)))
    refused("CLASSES_PALETTE", read_label, encode(np.ones((2, 2, 3), np.uint8)), space)
    np.testing.assert_array_equal(read_label(encode(grey([[1]])), space).ids, [[1]])


def test_size_must_be_that_of_the_image(tmp_path):
    path = tmp_path / "frame.png"
    path.write_bytes(encode(grey(IDS)))
    assert read_label(path, THREE, size=(2, 3)).ids.shape == (2, 3)
    message = refused("LABEL_SIZE", read_label, path, THREE, size=(3, 2))
    assert "frame.png" in message
    assert "3 × 2" in message
    assert "2 × 3" in message


def test_labels_are_turned_like_images():
    tags = Image.Exif()
    tags[274] = 6  # row 0 of the file is the right side of the scene
    np.testing.assert_array_equal(read_label(encode(grey([[0, 1], [2, 2]]), exif=tags), THREE).ids, [[2, 0], [2, 1]])


@pytest.mark.parametrize("old", [1, 2, 5, 7, 360])
@pytest.mark.parametrize("new", [1, 2, 3, 8, 176, 361])
def test_resize_label_is_nearest_exact(old, new):
    label = np.arange(old, dtype=np.int32)[:, None].repeat(2, axis=1)
    expected = torch.nn.functional.interpolate(torch.from_numpy(label)[None, None].double(), size=(new, 2), mode="nearest-exact")
    np.testing.assert_array_equal(resize_label(label, (new, 2)), expected[0, 0].int().numpy())


def test_resize_label_by_hand():
    np.testing.assert_array_equal(resize_label(grey([[0, 1, 2, 3]]), (1, 2)), [[1, 3]])  # centres at 1.0 and 3.0
    np.testing.assert_array_equal(resize_label(grey([[0, 1, 2]]), (1, 2)), [[0, 2]])  # centres at 0.75 and 2.25
    np.testing.assert_array_equal(resize_label(grey([[5, 255]]), (2, 4)), [[5, 5, 255, 255]] * 2)
    refused("IMAGE_SIZE", resize_label, grey(IDS), (0, 2))
    refused("LABEL_ARRAY", resize_label, np.zeros((2, 2, 3), np.uint8), (1, 1))


def test_colorize_and_frequencies():
    ids = grey([[0, 2, 255, 2]])
    np.testing.assert_array_equal(colorize(ids, THREE), [[[10, 20, 30], [70, 80, 90], [128] * 3, [70, 80, 90]]])
    np.testing.assert_allclose(class_frequencies(ids, 3), [1 / 3, 0, 2 / 3])
    np.testing.assert_array_equal(class_frequencies(grey([[255]]), 3), [0, 0, 0])
    for wrong in (3, -1):
        assert f"got {wrong}" in refused("LABEL_IDS", colorize, np.array([[0, wrong]]), THREE)
        refused("LABEL_IDS", class_frequencies, np.array([[0, wrong]]), 3)
    refused("LABEL_ARRAY", colorize, np.zeros((2, 2)), THREE)


def test_palette_png_round_trip():
    ids = grey([[0, 1, 2, 255]])
    np.testing.assert_array_equal(read_label(encode_png(ids, THREE.palette), THREE).ids, ids)
    np.testing.assert_array_equal(read_label(encode_png(ids), THREE).ids, ids)
