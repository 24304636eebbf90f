"""Many pairs by the command: the numbers of single pairs, a line for each, whatever is wrong with one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pca_core.adaptation import distributed
from pca_core.cli import main
from pca_core.many import PairOptions, PairResults, associate_pairs, read_pair_list, sweep
from pca_core.many import summary as many_summary
from pca_core.many.images import ImageCache
from pca_core.many.journal import Journal, cut_torn_line, read_records
from pca_core.many.summary import SHARES, summarise_records
from pca_core.many.sweep import count_own, is_own
from pca_core.models import load_checkpoint, save_checkpoint
from tests.unit.test_cli import associate_arguments, run_json
from tests.unit.test_cli_refusals import refused


def write_list(root: Path, pairs, name: str = "list.csv") -> Path:
    """Pairs of places in the world's data set; the first target is told without its labels."""
    rows = ["source,source_label,target,target_label"]
    rows += [f"data/images/{a}.png,data/labels/{a}.png,data/images/{b}.png,{f'data/labels/{b}.png' * (b > 0)}" for a, b in pairs]
    (root / name).write_text("\n".join(rows) + "\n")
    return root / name


EACH = [(a, b) for a in range(3) for b in range(3)]


def many(root: Path, out: Path, *more) -> list[str]:
    given = ("--pairs", root / "list.csv", "--checkpoint", root / "net.safetensors", "--out", out)
    return ["associate", *map(str, given), *map(str, more)]


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]


def test_a_line_tells_what_the_single_command_does(copy, tmp_path, capsys):
    write_list(copy, EACH)
    out = tmp_path / "many"
    flags = ("--level", "prediction", "--alpha", "0.3", "--top-k", "2", "--arrays", "--pictures")
    run_json(capsys, *many(copy, out, *flags))
    lines = lines_of(out)
    assert [line["pair"] for line in lines] == list(range(9))
    alone = tmp_path / "alone"
    options = {"source": copy / "data/images/1.png", "source_label": copy / "data/labels/1.png", "top_k": 2, "out": alone}
    options |= {"target": copy / "data/images/2.png", "target_label": copy / "data/labels/2.png", "level": "prediction"}
    expected = run_json(capsys, *associate_arguments(copy, **options, alpha=0.3))
    line = lines[EACH.index((1, 2))]
    assert (line["source"], line["target"]) == ("data/images/1.png", "data/images/2.png")
    told = {name: value for name, value in expected.items() if name not in ("class_names", "config", "out")}
    assert {name: line[name] for name in told} == told
    with np.load(alone / "association.npz") as one, np.load(out / "arrays" / f"{line['id']}.npz") as other:
        assert set(one) == set(other)
        assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)
    pictures = {path.name: path.read_bytes() for path in alone.glob("*.png")}
    assert pictures == {path.name: path.read_bytes() for path in (out / "pictures" / line["id"]).iterdir()}


def test_a_summary_whose_numbers_went_to_files_is_the_same(copy, tmp_path, capsys, monkeypatch):
    write_list(copy, EACH)
    run_json(capsys, *many(copy, tmp_path / "out", "--soft-cycle"))
    lines = lines_of(tmp_path / "out")
    names, places = ("road", "sky", "tree"), []
    in_memory = summarise_records(lines, names, tmp_path / "nowhere")  # which would not do for a file
    monkeypatch.setattr(many_summary, "SPILL_AT", 2)
    make_file = many_summary.tempfile.TemporaryFile
    monkeypatch.setattr(many_summary.tempfile, "TemporaryFile", lambda dir: places.append(dir) or make_file(dir=dir))
    folder = tmp_path / "spill"
    folder.mkdir()
    assert summarise_records(lines, names, folder) == in_memory
    assert places == [folder] * (len(SHARES) + len(names))
    assert list(folder.iterdir()) == []


def test_the_summary_is_of_all_lines(copy, tmp_path, capsys):
    write_list(copy, EACH)
    summary = run_json(capsys, *many(copy, tmp_path / "out", "--soft-cycle"))
    lines = lines_of(tmp_path / "out")
    assert (summary["num_pairs"], summary["num_failed"]) == (9, 0)
    for name in SHARES:
        values = [line[name] for line in lines if line[name] is not None]
        assert summary["shares"][name]["num_pairs"] == len(values) == (6 if name.startswith("correct") else 9)
        assert summary["shares"][name]["mean"] == pytest.approx(np.mean(values))
        assert summary["shares"][name]["p25"] == pytest.approx(np.percentile(values, 25))
    flow = np.sum([line["cycle_flow"] for line in lines], axis=0)
    assert [row["class"] for row in summary["classes"]] == ["road", "sky", "tree"]
    assert [row["returned"] for row in summary["classes"]] == pytest.approx(np.diag(flow) / flow.sum(1))
    kept = json.loads((tmp_path / "out/summary.json").read_text())
    assert kept == {name: value for name, value in summary.items() if name not in ("pairs", "out")}
    assert main(many(copy, tmp_path / "out", "--soft-cycle")) == 0
    text = capsys.readouterr().out
    assert text.startswith("9 pairs, 0 of them could not be used.\n  Cycle-consistent")
    assert text.strip().endswith("summary.json.")


def test_a_pair_that_cannot_be_read_does_not_stop_the_rest(copy, tmp_path, capsys):
    write_list(copy, [(0, 1), (1, 2), (2, 0), (0, 2)])
    broken = copy / "data/images/1.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200])
    (copy / "data/labels/2.png").unlink()
    summary = run_json(capsys, *many(copy, tmp_path / "out"))
    assert (summary["num_pairs"], summary["num_failed"]) == (4, 4)
    assert summary["failures"] == {"IMAGE_BROKEN": 2, "IMAGE_NOT_FOUND": 2}
    assert "1.png is damaged" in lines_of(tmp_path / "out")[0]["error"]["message"]
    broken.write_bytes(whole)  # put right: only what concerns it is made anew
    summary = run_json(capsys, *many(copy, tmp_path / "out"))
    assert summary["failures"] == {"IMAGE_NOT_FOUND": 3}
    assert [line.get("rate") is not None for line in lines_of(tmp_path / "out")] == [True, False, False, False]


def test_strict_stops_and_keeps(copy, tmp_path, capsys):
    write_list(copy, [(0, 1), (1, 2), (2, 0)])
    (copy / "data/images/2.png").write_bytes(b"")
    assert refused(capsys, *many(copy, tmp_path / "out", "--strict")).endswith("[IMAGE_EMPTY]")
    assert [line["pair"] for line in lines_of(tmp_path / "out")] == [0]
    assert not (tmp_path / "out/summary.json").exists()


def test_maps_that_cannot_be_associated_are_told(copy, tmp_path, capsys):
    write_list(copy, [(0, 1)])
    summary = run_json(capsys, *many(copy, tmp_path / "out", "--top-k", "1000"))
    assert summary["failures"] == {"PAIR_UNUSABLE": 1}
    assert main(many(copy, tmp_path / "out", "--top-k", "1000")) == 0
    assert "not used: 1 × PAIR_UNUSABLE" in capsys.readouterr().out


def test_what_is_done_is_left_out_and_a_longer_list_goes_on(copy, tmp_path, capsys, monkeypatch):
    write_list(copy, EACH[:4])
    run_json(capsys, *many(copy, tmp_path / "out"))
    before = (tmp_path / "out/pairs.jsonl").read_bytes()
    made, real = [], sweep._associate
    monkeypatch.setattr(sweep, "_associate", lambda cache, *rest: made.append(rest[0].name) or real(cache, *rest))
    run_json(capsys, *many(copy, tmp_path / "out"))
    assert (made, (tmp_path / "out/pairs.jsonl").read_bytes()) == ([], before)
    write_list(copy, EACH)
    run_json(capsys, *many(copy, tmp_path / "out"))
    assert len(made) == 5
    assert (tmp_path / "out/pairs.jsonl").read_bytes().startswith(before)
    write_list(copy, EACH[1:3])
    assert run_json(capsys, *many(copy, tmp_path / "out"))["num_pairs"] == 2, "lines that are no longer listed go"
    assert [line["pair"] for line in lines_of(tmp_path / "out")] == [0, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--alpha", "0.25"), "made with alpha 0.5, but now it is 0.25"),  # another config
        (("--level", "prediction"), 'made with level "feature"'),  # another level
        (("--checkpoint", "other.safetensors"), "made with checkpoint_sha256"),  # another net
        (("--arrays",), "made with soft_cycle false"),  # of which half would have none
    ],
)
def test_a_folder_of_another_config_is_refused(copy, tmp_path, capsys, monkeypatch, change, words):
    write_list(copy, EACH[:2])
    monkeypatch.chdir(copy)
    other = replace(load_checkpoint("net.safetensors"), notes={"steps": "others"})
    save_checkpoint("other.safetensors", other)
    run_json(capsys, *many(copy, tmp_path / "out"))
    before = (tmp_path / "out/pairs.jsonl").read_bytes()
    line = refused(capsys, *many(copy, tmp_path / "out", *change))
    assert words in line
    assert line.endswith("[PAIRS_DIFFER]")
    assert (tmp_path / "out/pairs.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--source", "a.png"), "--pairs takes images and labels from its list. Leave --source out."),  # two sayings
        (("--pairing", "all"), "Give one of the two"),  # two sayings again
        (("--pairs", "nowhere.csv"), "[PAIRS_LIST]"),  # a misspelt list
        (("--checkpoint", "nowhere.safetensors"), "[CHECKPOINT_NOT_FOUND]"),  # a misspelt net
        (("--kept-images", "1"), "num_kept must be at least 2"),  # a pair has two
        (("--alpha", "2"), "alpha must lie in [0, 1], got 2.0"),  # more than everything
        (("--out", __file__), "[FOLDER_READ_ONLY]"),  # a file where the folder should be
    ],
)
def test_what_cannot_be_asked_is_one_sentence(copy, tmp_path, capsys, monkeypatch, change, words):
    write_list(copy, EACH)
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *many(copy, tmp_path / "out", *change))
    assert not (tmp_path / "out").exists()


def test_data_sets_and_single_pairs_say_what_they_need(world, tmp_path, capsys):
    net = ("--checkpoint", world / "net.safetensors", "--out", tmp_path / "out")
    assert "One pair needs --source-label and --target too" in refused(capsys, "associate", "--source", "a.png", *net)
    assert "needs two data sets" in refused(capsys, "associate", "--pairing", "all", "--source", world / "data", *net)
    both = ("--source", world / "data", "--target", world / "data", *net)
    assert "Leave --source-label out" in refused(capsys, "associate", "--pairing", "all", "--source-label", "a.png", *both)
    assert refused(capsys, "associate", "--pairing", "some", *both).endswith("[PAIRING]")
    assert run_json(capsys, "associate", "--pairing", "random:4", "--seed", 3, *both)["num_pairs"] == 4
    assert all(line["correct_rate"] is not None for line in lines_of(tmp_path / "out"))


def test_an_image_that_comes_again_costs_no_second_pass(copy, tmp_path):
    checkpoint = load_checkpoint(copy / "net.safetensors")
    pairs = read_pair_list(write_list(copy, EACH))
    caches = []

    class Counted(ImageCache):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            caches.append(self)

    for most in (8, 2):
        options = PairOptions(num_kept=most)
        results = PairResults(tmp_path / str(most), options.facts(copy / "net.safetensors"), len(pairs))
        with pytest.MonkeyPatch.context() as patch, results.opened():
            patch.setattr(sweep, "ImageCache", Counted)
            assert sum(1 for _ in associate_pairs(pairs, checkpoint, results, options)) == 9
            assert len(caches[-1]._kept) <= most
    assert [cache.num_passes for cache in caches] == [4, 9], (
        "three with their labels, one without; or as few as there is room for"
    )
    assert (tmp_path / "8/pairs.jsonl").read_bytes() == (tmp_path / "2/pairs.jsonl").read_bytes()


def test_two_do_not_write_to_one_folder(copy, tmp_path, capsys):
    write_list(copy, EACH)
    options = PairOptions()
    with PairResults(tmp_path / "out", options.facts(copy / "net.safetensors"), 9).opened():
        assert refused(capsys, *many(copy, tmp_path / "out")).endswith("[PAIRS_ACTIVE]")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/pairs.jsonl").write_text("somebody's\n")
    assert "config.json is missing" in refused(capsys, *many(copy, tmp_path / "other"))
    assert (tmp_path / "other/pairs.jsonl").read_text() == "somebody's\n"


def test_a_torn_line_is_cut_wherever_it_was_torn(tmp_path):
    path = tmp_path / "a.jsonl"
    with Journal(path) as journal:
        for number in range(3):
            journal.append({"pair": number, "text": "é" * 50_000})
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in (0, 1, ends[0] - 1, ends[0], ends[1] + 70_000, len(whole) - 1, len(whole)):
        path.write_bytes(whole[:cut])
        cut_torn_line(path)
        kept = sum(end <= cut for end in ends)
        assert [record["pair"] for _, _, record in read_records(path)] == list(range(kept))
        assert path.read_bytes() == whole[: ([0, *ends])[kept]]
    with pytest.raises(ValueError, match="JSON"), Journal(path) as journal:
        journal.append({"pair": float("nan")})


def test_a_config_that_cannot_be_read_is_told(copy, tmp_path, capsys):
    write_list(copy, EACH)
    (tmp_path / "config.json").write_text("{")
    assert "config.json cannot be read" in refused(capsys, *many(copy, tmp_path))


@pytest.mark.parametrize("count", [0, 1, 5, 63, 64, 65, 1000, 1037])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_the_pairs_of_all_processes_are_all_pairs_and_are_counted_as_they_are_shared_out(count, world, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: world)
    counts = []
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        counts.append(count_own(count))
        assert counts[-1] == sum(is_own(number, count) for number in range(count))
    assert sum(counts) == count
