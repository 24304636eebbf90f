"""Zips, label maps and recipes made and broken by hypothesis: read right, or refused with a code."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pca_core.association import AssociationConfig
from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES, encode_png, generate_palette, read_label
from pca_core.data.archives import MAX_MEMBERS, Archive
from pca_core.export.recipe import ImageRecord, NetRecord, PixelRecord, Recipe, read_recipe, versions
from pca_core.figures.catalogue import FIGURES
from pca_core.figures.view import Switches
from pca_core.types import LabelSpace
from tests.fuzz.crafted import pack

RELAXED = {"deadline": None, "suppress_health_check": [*HealthCheck]}
PNG = encode_png(np.arange(24, dtype=np.uint8).reshape(4, 6))
SPACE = LABEL_SPACES["cityscapes-19"]


def code_of(call) -> str | None:
    """The code of a refusal; None where there was none. Its sentence is one line."""
    try:
        call()
    except InputError as error:
        return error.code if "\n" not in str(error) else "two lines"
    return None


# --- zips

MEMBER = r"[a-z]{1,3}(/[a-z]{1,3}){0,2}\.(png|jpg|tif)"


@settings(max_examples=300, **RELAXED)
@given(st.data())
def test_a_damaged_zip_is_read_or_refused(data):
    names = [f"images/{number}.png" for number in range(3)] + ["labels/0.png", "readme.txt"]
    broken = bytearray(pack(dict.fromkeys(names, PNG), data.draw(st.sampled_from([0, 8]))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(broken) - 5))
        kind = data.draw(st.sampled_from(["byte", "number", "cut", "copy"]))
        if kind == "byte":
            broken[place] = data.draw(st.integers(0, 255))
        elif kind == "number":
            broken[place : place + 4] = data.draw(st.sampled_from([0, 1, 2**16, 2**31, 2**32 - 1])).to_bytes(4, "little")
        elif kind == "cut":
            del broken[place : place + data.draw(st.integers(1, 40))]
        else:
            broken[place:place] = broken[place : place + 60]
        if len(broken) < 10:
            return

    def read() -> None:
        archive = Archive(bytes(broken), "a.zip")
        assert len(archive.members) <= MAX_MEMBERS
        for member in archive.members:
            assert len(archive.read(member)) == member.num_bytes

    assert (code_of(read) or "ZIP_").startswith("ZIP_")


@settings(max_examples=60, **RELAXED)
@given(st.dictionaries(st.from_regex(MEMBER, fullmatch=True), st.binary(max_size=99), min_size=1))
def test_a_whole_zip_gives_back_what_was_packed(files):
    files = {name: b"x" + data for name, data in files.items()}  # an archive within is refused by its first bytes
    archive = Archive(pack(files), "a.zip")
    assert Counter(map(archive.read, archive.members)) == Counter(files.values())


# --- label maps

KINDS = ("grey", "palette", "colour")
PALETTE = generate_palette(255)


@settings(max_examples=150, **RELAXED)
@given(st.data())
def test_ids_are_read_exactly_and_strangers_counted(data):
    count = data.draw(st.integers(1, 60))
    space = LabelSpace("drawn", tuple(map(str, range(count))), PALETTE[:count])
    kind = data.draw(st.sampled_from(KINDS))
    most = 255 if kind != "colour" else count - 1
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    raw = np.array(data.draw(st.lists(st.integers(0, most), min_size=height * width, max_size=height * width)), np.uint8)
    raw = raw.reshape(height, width)
    pixels = np.array(space.palette, np.uint8)[raw] if kind == "colour" else raw
    file = encode_png(pixels, PALETTE if kind == "palette" else None)
    strangers = Counter(int(value) for value in raw.ravel() if count <= value < 255)
    assert code_of(lambda: read_label(file, space)) == ("LABEL_UNKNOWN_IDS" if strangers else None)
    found = read_label(file, space, unknown="ignore")
    assert found.unknown == strangers
    np.testing.assert_array_equal(found.ids, np.where(raw < count, raw, 255))


@settings(max_examples=60, **RELAXED)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_a_fitted_label_map_invents_no_class(height, width, new_height, new_width, seed):
    raw = np.random.default_rng(seed).integers(0, 19, (height, width), dtype=np.uint8)
    file = encode_png(raw)
    fitted = read_label(file, SPACE, size=(new_height, new_width), wrong_size="nearest").ids
    assert fitted.shape == (new_height, new_width)
    assert set(np.unique(fitted)) <= set(np.unique(raw))
    is_same = (height, width) == (new_height, new_width)
    assert code_of(lambda: read_label(file, SPACE, size=(new_height, new_width))) == (None if is_same else "LABEL_SIZE")


# --- recipes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def make_recipe() -> Recipe:
    image = ImageRecord(name="a", sha256="0" * 64, label_sha256="1" * 64)
    return Recipe(
        versions=versions(),
        source=image,
        target=image,
        checkpoint=NetRecord(name="net", architecture="compact", label_space="bands", sha256="2" * 64),
        pixel=PixelRecord(side="source", index=3),
        config=AssociationConfig(),
        switches=Switches(),
        figures=tuple(FIGURES)[:2],
        formats=("png",),
        scale=2,
    )


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Paths to everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory):
    return tmp_path_factory.mktemp("recipe") / "recipe.json"


@settings(max_examples=150, **RELAXED)
@given(st.data())
def test_a_changed_recipe_is_read_or_refused(recipe_file, data):
    recipe = json.loads(make_recipe().model_dump_json())
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(recipe)[1:]))
        inside = recipe
        for key in path[:-1]:
            inside = inside[key]
        if data.draw(st.booleans()) or not isinstance(inside, dict):
            inside[path[-1]] = data.draw(JSON)
        else:
            inside[data.draw(st.text(max_size=9))] = inside.pop(path[-1])
    recipe_file.write_text(json.dumps(recipe), encoding="utf-8", errors="replace")
    assert code_of(lambda: _read_and_use(recipe_file)) in (None, "RECIPE_BROKEN")


def _read_and_use(path) -> None:
    recipe = read_recipe(path)
    assert set(recipe.figures) <= set(FIGURES)
    assert 1 <= recipe.scale <= 4
    assert recipe.pixel.index >= 0
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@settings(max_examples=100, **RELAXED)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
    | JSON.map(lambda v: json.dumps(v).encode())
)
def test_what_is_no_recipe_is_refused(recipe_file, data):
    recipe_file.write_bytes(data)
    assert code_of(lambda: read_recipe(recipe_file)) == "RECIPE_BROKEN"


def test_a_recipe_that_was_not_changed_is_read(recipe_file):
    recipe_file.write_text(make_recipe().model_dump_json())
    assert read_recipe(recipe_file) == make_recipe()
    recipe_file.write_text("[" * 100_000)
    assert code_of(lambda: read_recipe(recipe_file)) == "RECIPE_BROKEN"
