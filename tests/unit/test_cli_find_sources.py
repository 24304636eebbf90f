"""``cyclelens find-sources``: the core's numbers, a picture, one sentence for what cannot be used, and a clean Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pca_core.analysis.coverage_gap import find_threshold, measure_coverage
from pca_core.analysis.support import find_support
from pca_core.cli import main
from pca_core.data import FolderDataset, encode_png, read_image
from pca_core.models import load_checkpoint
from tests.conftest import ROOT
from tests.unit.test_cli import run_json
from tests.unit.test_cli_refusals import refused


def find_arguments(root, *more) -> list[str]:
    given = ["--target", root / "data/images/2.png", "--sources", root / "data", "--checkpoint", root / "net.safetensors"]
    return ["find-sources", *map(str, given), *map(str, more)]


def test_the_numbers_are_those_of_the_core(world, capsys):
    facts = run_json(capsys, *find_arguments(world))
    net = load_checkpoint(world / "net.safetensors")
    search = list(find_support(net, read_image(world / "data/images/2.png"), FolderDataset(world / "data")))[-1]
    found = measure_coverage(search, find_threshold(search.reference))
    assert facts["least_similarity"] == pytest.approx(found.threshold)
    assert [row["name"] for row in facts["ranking"]] == [source.name for source in found.ranked]
    assert [row["support"] for row in facts["ranking"]] == [source.support for source in found.ranked]
    assert facts["covered"] == found.covered
    assert sum(row["share_of_target"] for row in facts["gap"]) == pytest.approx(1 - found.covered)
    assert [step["name"] for step in facts["in_order_of_what_they_add"]] == [step.name for step in found.steps]
    assert (facts["num_images"], facts["num_looked_at"], facts["skipped"]) == (3, 3, [])


def test_a_limit_spreads_and_a_similarity_can_be_told(world, capsys):
    facts = run_json(capsys, *find_arguments(world, "--limit", 2, "--min-similarity", "0.5"))
    assert {row["name"] for row in facts["ranking"]} == {"0", "2"}
    assert facts["least_similarity"] == 0.5
    nothing = run_json(capsys, *find_arguments(world, "--min-similarity", "1.5"))
    assert (nothing["covered"], nothing["in_order_of_what_they_add"]) == (0.0, [])
    alone = run_json(capsys, *find_arguments(world, "--include", "1"))
    assert alone["least_similarity"] is None


def test_in_words_with_a_picture(world, tmp_path, capsys):
    out = tmp_path / "new/gap.png"
    assert main(find_arguments(world, "--out", out)) == 0
    text = capsys.readouterr().out
    assert text.startswith("Looked at 3 of 3 source images; a match counts from similarity ")
    assert "Together they support " in text
    assert text.strip().endswith(f"Wrote {out}.")
    assert np.ptp(read_image(out)) > 200
    assert main(find_arguments(world, "--out", out, "--include", "1")) == 0
    assert "any cycle-consistent match counts" in capsys.readouterr().out


def test_broken_sources_are_skipped_and_told(copy, capsys):
    (copy / "data/images/1.png").write_bytes(b"")
    facts = run_json(capsys, *find_arguments(copy))
    assert {row["name"] for row in facts["ranking"]} == {"0", "2"}
    (sentence,) = facts["skipped"]
    assert "1.png" in sentence
    assert main(find_arguments(copy)) == 0
    assert "Skipped: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--limit", "0"), "--limit must be at least 1, got 0"),  # nothing to look at
        (("--drop", "2"), "drop must lie in [0, 1], got 2.0"),  # no share
        (("--alpha", "2"), "alpha must lie in [0, 1], got 2.0"),  # more than everything
        (("--min-similarity", "nan"), "--min-similarity must be a finite number"),  # no number
        (("--out", "gap.jpg"), "--out must end in .png, got 'gap.jpg'"),  # would lose the edges
        (("--target", "nowhere.png"), "[IMAGE_NOT_FOUND]"),  # a misspelt image
        (("--sources", "nowhere"), "[DATASET_NOT_FOUND]"),  # a misspelt folder
        (("--checkpoint", "nowhere.safetensors"), "[CHECKPOINT_NOT_FOUND]"),  # a misspelt net
        (("--include", "z*"), "[DATASET_PATTERN]"),  # a pattern that fits nothing
        (("--label-space", "camvid-11"), "[SOURCES_UNREADABLE]"),  # labels that the net does not know
    ],
)
def test_what_cannot_be_used_is_one_sentence(world, tmp_path, capsys, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *find_arguments(world, *change))
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_is_clean(world, tmp_path):
    """A real child over many images is interrupted: exit status 130, one line, no picture."""
    images = tmp_path / "many/images"
    images.mkdir(parents=True)
    noise = encode_png(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    for number in range(3000):
        (images / f"{number:04d}.png").write_bytes(noise)
    out = tmp_path / "gap.png"
    arguments = find_arguments(world, "--sources", tmp_path / "many", "--limit", 3000, "--out", out)
    started = "import sys, pca_core.cli as cli; print('up', flush=True); sys.exit(cli.main(sys.argv[1:]))"
    child = subprocess.Popen(
        [sys.executable, "-c", started, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == "up\n"
        time.sleep(3)
        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=30)
    finally:
        child.kill()
    assert (child.returncode, rest, errors.strip()) == (130, "", "cyclelens: interrupted.")
    assert not out.exists()


def test_json_is_one_object_without_nan(world, capsys):
    assert main([*find_arguments(world), "--json"]) == 0
    text = capsys.readouterr().out
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["target"].endswith("2.png")
