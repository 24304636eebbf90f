"""The built-in streets: whole as shipped, described rightly by their card, and laid out by their seed alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from pca_core.data import get_label_space
from scripts import describe_streets
from scripts.streets.layout import DOMAINS, lay_out
from tests.conftest import ROOT
from tests.unit.test_train_builtin import make_miniature

STREETS = ROOT / "assets/streets"
COUNTS = {"noon": 160, "noon-heldout": 24, "dusk-rain": 80, "dusk-rain-heldout": 40}
VOID = 11
MAX_BYTES = 16 * 2**20


@pytest.fixture(scope="module")
def labels() -> dict[str, np.ndarray]:
    """Folder -> (N, H, W) ids exactly as the files hold them."""
    return {
        folder: np.stack([np.array(Image.open(path)) for path in sorted((STREETS / folder / "labels").glob("*.png"))])
        for folder in COUNTS
    }


@pytest.mark.parametrize(("folder", "count"), COUNTS.items())
def test_every_frame_has_its_label_at_the_size_of_the_image(folder, count):
    prefix = folder.removesuffix("-heldout").replace("-", "_")
    names = [f"{prefix}_{number:04d}" for number in range(1, count + 1)]
    assert sorted(path.name for path in (STREETS / folder / "images").iterdir()) == [f"{name}.jpg" for name in names]
    assert sorted(path.name for path in (STREETS / folder / "labels").iterdir()) == [f"{name}.png" for name in names]
    for name in names:
        with (
            Image.open(STREETS / folder / "images" / f"{name}.jpg") as image,
            Image.open(STREETS / folder / "labels" / f"{name}.png") as label,
        ):
            assert (image.size, image.mode) == ((512, 256), "RGB")
            assert (label.size, label.mode) == ((512, 256), "P")


def test_every_id_is_a_class_or_void_and_every_class_occurs_everywhere(labels):
    for folder, ids in labels.items():
        counts = np.bincount(ids.ravel(), minlength=VOID + 1)
        assert len(counts) == VOID + 1, folder
        assert (counts[:VOID] > 0).all(), (folder, counts)


def test_sky_is_above_road(labels):
    rows = np.arange(256)[:, None]
    for ids in labels.values():
        heights = [np.broadcast_to(rows, ids.shape)[ids == label].mean() for label in (0, 3)]
        assert heights[0] + 60 < heights[1]


def test_no_two_frames_are_the_same(labels):
    everything = np.concatenate(list(labels.values())).reshape(sum(COUNTS.values()), -1)
    assert len({row.tobytes() for row in everything}) == sum(COUNTS.values())


def test_the_palette_and_classes_json_are_those_of_camvid_11():
    space = get_label_space("camvid-11")
    shipped = json.loads((STREETS / "classes.json").read_text(encoding="utf-8"))
    assert shipped["class_names"] == list(space.class_names)
    assert shipped["palette"] == [list(colour) for colour in space.palette]
    assert shipped["ignore_index"] == VOID
    with Image.open(STREETS / "noon/labels/noon_0001.png") as label:
        assert label.getpalette()[: 3 * VOID] == [channel for colour in space.palette for channel in colour]


def test_all_of_it_stays_small():
    assert sum(path.stat().st_size for path in STREETS.rglob("*") if path.is_file()) <= MAX_BYTES


def test_the_card_states_the_frequencies_of_the_files(labels):
    space = get_label_space("camvid-11")
    rows = dict(
        re.findall(r"^\| ([a-z ]+?) \| ([\d.]+ (?:\| [\d.]+ )+)\|$", (STREETS / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    for index, name in enumerate(space.class_names):
        stated = [float(number) for number in rows[name].split("|")]
        counted = [100 * (ids == index).sum() / (ids != VOID).sum() for ids in labels.values()]
        assert stated == pytest.approx(counted, abs=0.006), name


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_street_depends_on_its_domain_seed_and_index_alone(domain):
    streets = {(seed, index): lay_out(domain, seed, index) for seed in (1, 2) for index in (0, 1)}
    assert lay_out(domain, 1, 1) == streets[1, 1]
    assert all(a != b for a, b in combinations(streets.values(), 2))


def test_domains_are_laid_out_differently():
    noon, dusk = ([lay_out(domain, 1, index) for index in range(40)] for domain in DOMAINS)
    assert min(street.camera.height for street in noon) > max(street.camera.height for street in dusk)
    assert not {b.style for street in noon for b in street.buildings} & {b.style for street in dusk for b in street.buildings}
    assert np.mean([s.camera.field_of_view for s in noon]) > np.mean([s.camera.field_of_view for s in dusk]) + 8


def test_an_unknown_domain_is_named():
    with pytest.raises(ValueError, match="noon, dusk-rain, got 'dawn'"):
        lay_out("dawn", 1, 0)


def test_the_layout_needs_no_blender():
    code = "import sys, scripts.streets.layout; sys.exit('bpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_table_and_the_sheet_are_made_from_the_files(tmp_path, capsys):
    streets = make_miniature(tmp_path / "streets")
    describe_streets.main(
        ["--streets", str(streets), "--contact-sheet", str(tmp_path / "sheet.png"), "--rows", "2", "--scale", "1"]
    )
    table = capsys.readouterr().out.splitlines()
    assert table[2] == "| sky | 49.90 | 49.90 | 49.90 | 49.90 |"  # 255 of 511
    assert table[5] == "| road | 50.10 | 50.10 | 50.10 | 50.10 |"
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (32, 128, 3)
    assert sheet[5, 32 + 20].tolist() == [128, 64, 128]  # the road's colour beside the first noon frame
