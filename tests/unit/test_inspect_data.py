"""What inspect-data says about a data set, in words, in JSON and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pca_core.cli import main
from pca_core.data import LABEL_SPACES, open_dataset, read_image
from pca_core.data.inspection import choose_evenly, inspect_dataset
from pca_core.preview import draw_preview
from pca_core.types import Sample
from tests.unit import miniatures
from tests.unit.miniatures import HEIGHT, MAKERS, WIDTH


def run_json(capsys, *arguments) -> dict:
    assert main(["inspect-data", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("layout", MAKERS)
def test_facts_of_every_layout(tmp_path, capsys, layout):
    root = MAKERS[layout](tmp_path)
    facts = run_json(capsys, root, "--all")
    assert (facts["layout"], facts["num_missing_labels"], facts["problems"], facts["unknown_ids"]) == (layout, 0, {}, [])
    assert facts["sizes"] == [{"height": HEIGHT, "width": WIDTH, "images": facts["num_images"]}]
    frequencies = {name.rpartition("--")[2]: part for name, part in facts["class_frequencies"].items() if part}
    assert frequencies == {"road": 0.5, "car": 0.5}
    assert facts["unlabelled"] == pytest.approx(8 / 48)
    assert main(["inspect-data", str(root)]) == 0
    text = capsys.readouterr().out
    assert f"Layout    {layout}" in text
    assert "50.00%" in text
    assert "all labelled" in text
    assert "Unknown   no id without a class" in text


def test_unknown_ids_missing_labels_and_faults_are_listed(tmp_path, capsys):
    root = miniatures.make_cityscapes(tmp_path, ["labelIds"])
    labels = root / "gtFine/train"
    miniatures.write_ids(labels / "ulm/ulm_000000_000019_gtFine_labelIds.png", miniatures.stripes(7, 77, 99))
    (labels / "ulm/ulm_000001_000019_gtFine_labelIds.png").unlink()
    miniatures.write_ids(labels / "aachen/aachen_000000_000019_gtFine_labelIds.png", np.zeros((3, 3)))
    (root / "leftImg8bit/train/aachen/aachen_000001_000019_leftImg8bit.png").write_bytes(b"")
    facts = run_json(capsys, root, "--split", "train")
    assert (facts["num_images"], facts["num_labelled"], facts["num_missing_labels"]) == (4, 3, 1)
    assert facts["unknown_ids"] == [
        {"id": 77, "pixels": 20 * HEIGHT, "label_maps": 1}, {"id": 99, "pixels": 8 * HEIGHT, "label_maps": 1}
    ]  # fmt: skip
    assert sorted(facts["problems"]) == ["aachen/aachen_000000_000019", "aachen/aachen_000001_000019"]
    assert facts["class_frequencies"]["road"] == 1.0
    preview = tmp_path / "out/faulty.png"
    assert main(["inspect-data", str(root), "--split", "train", "--preview", str(preview)]) == 0
    text = capsys.readouterr().out
    assert f"77 ({20 * HEIGHT} pixels in 1 label map)" in text
    assert "1 without a label" in text
    assert "Fault     aachen/aachen_000001_000019: " in text
    assert preview.is_file()


def test_the_sample_is_bounded_and_said_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pca_core.cli.inspect_data.SAMPLE", 2)
    root = miniatures.make_gtav(tmp_path)
    assert run_json(capsys, root)["num_looked_at"] == 2
    assert run_json(capsys, root, "--all")["num_looked_at"] == 4
    main(["inspect-data", str(root)])
    assert "Looked at 2 of them, evenly spread; --all opens every one." in capsys.readouterr().out
    assert choose_evenly("abcdefg", 3) == ("a", "d", "g")


def test_a_label_space_and_patterns_are_taken(tmp_path, capsys):
    root = miniatures.make_synthia(tmp_path)
    facts = run_json(capsys, root, "--label-space", "synthia-13", "--include", "*1", "--layout", "synthia")
    assert (facts["label_space"], facts["num_images"], len(facts["class_frequencies"])) == ("synthia-13", 1, 13)


def test_a_data_set_without_labels(tmp_path, capsys):
    root = miniatures.make_bdd100k(tmp_path)
    facts = run_json(capsys, f"{root}:test", "--preview", tmp_path / "test.png")
    assert (facts["label_space"], facts["class_frequencies"], facts["num_missing_labels"]) == (None, {}, 1)
    assert main(["inspect-data", f"{root}:test"]) == 0
    assert "none labelled" in capsys.readouterr().out
    assert read_image(tmp_path / "test.png").ndim == 3


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    root = miniatures.make_plain(tmp_path)
    for preview, words in (("x.jpg", "must end in .png"), (str(root / "classes.json/x.png"), "[FOLDER_READ_ONLY]")):
        assert main(["inspect-data", str(root), "--preview", preview]) == 2
        assert words in capsys.readouterr().err


def test_the_preview_shows_images_labels_and_legend():
    space = LABEL_SPACES["camvid-11"]
    label = np.full((HEIGHT, WIDTH), 3, np.uint8)
    image = np.full((HEIGHT, WIDTH, 3), (12, 200, 34), np.uint8)
    samples = [Sample("a", "source", image, label, space), Sample("b" * 90, "source", image)]
    frequencies = [0.0] * 11
    frequencies[3], frequencies[0] = 0.75, 0.25
    page = draw_preview(samples, space, frequencies, "streets " * 40, "under it")
    counts = {
        colour: int((page == colour).all(-1).sum())
        for colour in ((12, 200, 34), space.palette[3], space.palette[0], space.palette[1])
    }
    tile = 300 * 150
    assert counts[12, 200, 34] == 2 * tile
    assert counts[space.palette[3]] > tile  # its tile, its patch and the longest bar
    assert counts[space.palette[0]] >= 17 * 17 + 9  # a patch and a bar, but in no picture
    assert counts[space.palette[1]] == 0  # does not occur, so the legend leaves it out
    no_labels = draw_preview(samples[1:], None, [], "t", "s")
    assert no_labels.shape[0] < page.shape[0]


def test_inspection_counts_by_hand(tmp_path):
    dataset = open_dataset(miniatures.make_plain(tmp_path), unknown="ignore")
    found = inspect_dataset(dataset, dataset.names)
    assert found.class_pixels.tolist() == [2 * 20 * HEIGHT, 2 * 20 * HEIGHT]
    assert (found.unlabelled_pixels, found.sizes) == (2 * 8 * HEIGHT, {(HEIGHT, WIDTH): 2})
