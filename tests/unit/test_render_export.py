"""Pictures say what the numbers say, and files hold what they claim."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pca_core import AssociationConfig, LabelSpace, PairAnalysis, associate, render, summarise
from pca_core.data import generate_palette
from pca_core.export.association import (
    ARRAYS,
    association_arrays,
    association_pictures,
    association_statistics,
    write_association,
)
from pca_core.types import Association
from tests.unit.test_association import at, labels

SPACE = LabelSpace("four", ("road", "sky", "car", "tree"), generate_palette(4))
GREY = np.full((60, 90, 3), 100, np.uint8)


def cell(picture, row, column, grid):
    """The pixels of one feature cell."""
    height, width = picture.shape[0] // grid[0], picture.shape[1] // grid[1]
    return picture[row * height : (row + 1) * height, column * width : (column + 1) * width].reshape(-1, 3)


def blend(colour, opacity=0.6):
    return np.round((1 - opacity) * 100 + opacity * np.array(colour))


def test_verdicts_have_their_colours_in_their_cells():
    found = associate(at(0, 1, 2, 90), at(1, 91, 180), labels(0, 0, 1, 255), AssociationConfig(alpha=0.0))
    found = replace(found, source_size=(2, 2))
    picture = render.overlay_verdicts(GREY, found, labels(0, 0, 1, 255))
    expected = [render.CONSISTENT, render.CONSISTENT, render.INCONSISTENT, render.UNLABELLED]
    for index, colour in enumerate(expected):
        pixels = cell(picture, *divmod(index, 2), (2, 2))
        assert np.abs(pixels - blend(colour)).max() <= 1
    assert (picture.shape, picture.dtype) == (GREY.shape, np.uint8)


def test_values_run_from_dark_to_bright_with_fixed_limits():
    values = np.array([[0.0, 1.0], [2.0, 4.0]])
    picture = render.overlay_values(GREY, values, opacity=1.0)
    np.testing.assert_array_equal(cell(picture, 0, 0, (2, 2))[0], [68, 1, 84])  # the two ends of viridis
    np.testing.assert_array_equal(cell(picture, 1, 1, (2, 2))[0], [253, 231, 37])
    wide = render.overlay_values(GREY, values, opacity=1.0, limits=(0, 8))
    assert (cell(wide, 1, 1, (2, 2))[0] != [253, 231, 37]).any()
    assert np.ptp(cell(picture, 0, 1, (2, 2)), axis=0).max() == 0  # nearest: a value fills its cell
    narrow = render.overlay_values(GREY, values, opacity=1.0, limits=(1, 2))
    np.testing.assert_array_equal(cell(narrow, 1, 1, (2, 2))[0], [253, 231, 37])  # beyond the limits is the end colour


def test_scaled_values_by_hand():
    values = np.array([[2.0, 3.0, 5.0]])
    assert render.scale_values(values).tolist() == [[0, 85, 255]]
    assert render.scale_values(values, is_log=True).tolist() == [[0, 128, 255]]  # log 1, log 2, log 4
    assert render.scale_values(values, limits=(3.0, 4.0)).tolist() == [[0, 0, 255]]
    assert render.scale_values(values, limits=(3.0, 6.0), is_log=True).tolist() == [[0, 0, 202]]  # log 3 / log 4
    for is_log in (False, True):
        assert render.scale_values(np.full((2, 2), 7.0), is_log=is_log).tolist() == [[0, 0], [0, 0]]


def test_maps_of_an_association():
    found = associate(at(0, 1, 2, 90), at(1, 91, 180), labels(0, 0, 1, 255), AssociationConfig(alpha=0.0))
    ids, names = labels(0, 0, 1, 255), list(render.VERDICTS)
    codes = render.verdict_map(found, ids)
    assert [names[code] for code in codes[0]] == [names[1], names[1], "cycle breaks", "unlabelled"]
    assert list(render.list_verdicts(codes)) == names[:3]
    assert render.hubness_map(found).tolist() == [[3, 1, 0]]


def test_what_is_merely_not_mutual_does_not_break():
    ids, names = labels(0, 0, 1, 255), list(render.VERDICTS)
    found = associate(at(0, 1, 2, 90), at(1, 91, 180), ids, AssociationConfig(alpha=0.0, mutual=True))
    codes = render.verdict_map(found, ids)
    assert [names[code] for code in codes[0]] == ["not mutual", "cycle-consistent", "cycle breaks", "unlabelled"]
    assert list(render.list_verdicts(codes)) == names


def test_no_opacity_shows_the_image_and_a_constant_map_is_no_crash():
    values = np.full((3, 4), 7.0)
    np.testing.assert_array_equal(render.overlay_values(GREY, values, opacity=0.0), GREY)
    assert np.ptp(render.overlay_values(GREY, values).reshape(-1, 3), axis=0).max() == 0


def test_classes_have_the_colours_of_their_space():
    picture = render.overlay_classes(GREY, np.array([[0, 1], [3, 255]], np.uint8), SPACE, opacity=1.0)
    for index, colour in enumerate([SPACE.palette[0], SPACE.palette[1], SPACE.palette[3], (128, 128, 128)]):
        assert (cell(picture, *divmod(index, 2), (2, 2)) == colour).all()


def test_hubness_is_brightest_where_most_pixels_go():
    found = associate(at(0, 1, 2, 90), at(1, 91, 180), labels(0, 0, 1, 255), AssociationConfig(alpha=0.0))
    brightness = [cell(render.overlay_hubness(GREY, found, 1.0), 0, column, (1, 3)).mean() for column in range(3)]
    assert brightness[0] > brightness[1] > brightness[2]


@pytest.fixture
def three_pairs() -> Association:
    """Three source pixels in a row, each its own match in a target row."""
    return associate(at(0, 60, 120), at(0, 60, 120), labels(0, 1, 2), AssociationConfig(alpha=0.0))


def test_lines_join_the_centres_of_consistent_pairs(three_pairs):
    canvas = render.draw_pairs(GREY, GREY, three_pairs, np.array([[0, 1, 2]]), SPACE)
    assert canvas.shape == (60, 90 + render.GAP + 90, 3)
    on_canvas = (canvas != 100).any(2) & (np.arange(192) < 90)[None]
    assert set(np.flatnonzero(on_canvas.any(1))) <= set(range(27, 34))  # both grids have one row: all lines run at half height
    assert not on_canvas[:, :13].any()  # the first centre is at x = 15
    assert on_canvas[30, 16:90].all()
    np.testing.assert_array_equal(canvas[5, 5], [100] * 3)
    assert (canvas[:5, 90 : 90 + render.GAP] == 255).all()


def nearest_class(pixel) -> int:
    """Lines are smoothed over a dark edge: the hue tells the class."""
    directions = np.array(SPACE.palette) / np.linalg.norm(SPACE.palette, axis=1, keepdims=True)
    return int((directions @ pixel.astype(float)).argmax())


def test_lines_are_thinned_to_the_count(three_pairs):
    one = render.draw_pairs(GREY, GREY, three_pairs, np.array([[0, 1, 2]]), SPACE, count=1)
    two = render.draw_pairs(GREY, GREY, three_pairs, np.array([[0, 1, 2]]), SPACE, count=2)
    assert (one != two).any()
    assert nearest_class(one[30, 30]) == 0  # one line: the first
    assert nearest_class(two[30, 170]) == 2  # two lines: first and last
    np.testing.assert_array_equal(one[30, 170], [100] * 3)


def test_without_a_consistent_pair_there_are_no_lines():
    found = associate(at(0, 60), at(0, 60), labels(255, 255), AssociationConfig(alpha=0.0))
    canvas = render.draw_pairs(GREY, GREY[:30, :30], found, np.array([[255, 255]]), SPACE)
    assert canvas.shape == (60, 90 + render.GAP + 60, 3)  # the target is scaled to the height of the source
    assert (canvas[:, :90] == 100).all()


@pytest.fixture
def analysis(pair) -> PairAnalysis:
    return PairAnalysis(pair, AssociationConfig(top_k=2))


def test_arrays_are_those_of_the_association(analysis, pair):
    found = associate(pair.source_features, pair.target_features, pair.source_labels, analysis.config)
    with np.load(io.BytesIO(association_arrays(analysis)), allow_pickle=False) as arrays:
        assert set(arrays) == {*ARRAYS, "soft_cycle", "source_size", "target_size"}
        for name in ARRAYS:
            np.testing.assert_array_equal(arrays[name], getattr(found, name).numpy(), err_msg=name)
            assert arrays[name].dtype == getattr(found, name).numpy().dtype
        np.testing.assert_array_equal(arrays["soft_cycle"], analysis.soft_cycle_S.numpy())
        assert (arrays["source_size"].tolist(), arrays["target_size"].tolist()) == ([6, 9], [5, 8])
    stored = {name for name in Association.__dataclass_fields__ if not name.endswith("_size")}
    assert set(ARRAYS) == stored  # a new field of Association must reach the file


def test_statistics_are_those_of_the_pair(analysis, pair):
    data = json.loads(json.dumps(association_statistics(analysis, SPACE), allow_nan=False))
    numbers = summarise(analysis.association, pair.source_labels, 4, pair.target_labels).to_dict()
    assert {name: data[name] for name in numbers} == numbers
    assert data["mean_soft_cycle"] == pytest.approx(np.nanmean(analysis.soft_cycle_S.numpy()))
    assert data["class_names"] == list(SPACE.class_names)
    assert (data["source_size"], data["target_size"]) == ([6, 9], [5, 8])
    config = {"level": "feature", "alpha": 0.5, "mutual": False, "top_k": 2, "contrast_normalisation": True}
    assert data["config"] == config
    unlabelled = replace(pair, source_labels=pair.source_labels * 0 + 255)
    assert association_statistics(PairAnalysis(unlabelled), SPACE)["mean_soft_cycle"] is None


def test_pictures_are_png_of_the_size_of_their_image(analysis, pair):
    target = np.zeros((50, 80, 3), np.uint8)
    pictures = {name: Image.open(io.BytesIO(data)) for name, data in association_pictures(analysis, GREY, target, SPACE).items()}
    assert {name: (picture.format, picture.size) for name, picture in pictures.items()} == {
        "source_verdicts": ("PNG", (90, 60)),
        "source_prediction": ("PNG", (90, 60)),
        "target_hubness": ("PNG", (80, 50)),
        "target_prediction": ("PNG", (80, 50)),
        "pairs": ("PNG", (90 + render.GAP + 96, 60)),
    }
    np.testing.assert_array_equal(
        pictures["source_verdicts"], render.overlay_verdicts(GREY, analysis.association, analysis.pair.source_labels)
    )
    bare = PairAnalysis(replace(pair, source_probabilities=None))
    assert set(association_pictures(bare, GREY, target, SPACE)) == set(pictures) - {"source_prediction"}


def test_a_folder_holds_everything_and_is_written_twice_alike(analysis, tmp_path):
    first = write_association(tmp_path / "new" / "folder", analysis, GREY, GREY, SPACE)
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    pictures = {"pairs", "source_prediction", "source_verdicts", "target_hubness", "target_prediction"}
    assert names == {"statistics.json", "association.npz", *(f"{name}.png" for name in pictures)}
    assert json.loads((tmp_path / "new/folder/statistics.json").read_text()) == first
    assert write_association(tmp_path / "new" / "folder", analysis, GREY, GREY, SPACE) == first
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == names
