"""Before and after: outcomes by hand, scores beside controls, a report that nothing can be slipped into."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from pca_core.adaptation import with_target_statistics
from pca_core.checks import InputError
from pca_core.comparison import (
    OUTCOMES,
    ImageComparison,
    Report,
    compare_image,
    compare_nets,
    compare_pair,
    compare_trace,
    overlay_outcome,
    pack_net,
    to_csv,
    write_report,
)
from pca_core.comparison.pairs import _flip
from pca_core.inference import evaluate, predict
from pca_core.metrics import score
from pca_core.models import save_checkpoint
from pca_core.types import LabelSpace, Sample
from tests.unit.adaptation_data import make_checkpoint, open_domains


@pytest.fixture
def world(tmp_path):
    source, target = open_domains(tmp_path)
    before = make_checkpoint(source)
    return source, target, before, with_target_statistics(before, target)


def test_every_outcome_by_hand():
    label = np.array([[0, 0, 0, 0, 255, 255]], np.uint8)
    before = np.array([[0, 1, 0, 1, 0, 0]], np.uint8)
    after = np.array([[0, 0, 1, 2, 0, 1]], np.uint8)
    sample = Sample("hand", "target", np.zeros((1, 6, 3), np.uint8), label)
    found = ImageComparison(sample, before, after)
    names = [OUTCOMES[code][0] for code in found.outcome[0]]
    assert names == ["stayed right", "became right", "became wrong", "stayed wrong", "unchanged, no label", "changed, no label"]
    assert found.changed_share == pytest.approx(4 / 6)
    assert sum(found.shares().values()) == pytest.approx(1)
    bare = ImageComparison(replace(sample, label=None), before, after)
    assert set(bare.shares()) == {"unchanged, no label", "changed, no label"}


def test_only_changed_pixels_are_coloured():
    image = np.full((1, 2, 3), 100, np.uint8)
    sample = Sample("two", "target", image, np.array([[0, 0]], np.uint8))
    picture = overlay_outcome(ImageComparison(sample, np.array([[0, 1]], np.uint8), np.array([[0, 0]], np.uint8)), opacity=1.0)
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert tuple(picture[0, 1]) == OUTCOMES[1][1]


def test_predictions_are_those_of_the_nets(world):
    _, target, before, after = world
    found = compare_image(before, after, target[0])
    assert np.array_equal(found.before, predict(before, target[0].image))
    assert np.array_equal(found.after, predict(after, target[0].image))


def test_nets_of_other_classes_are_refused(world):
    _, target, before, after = world
    other = replace(after, label_space=LabelSpace("other", ("a", "b", "c"), ((0, 0, 0),) * 3))
    with pytest.raises(InputError, match="class 0 is 'a'"):
        compare_image(before, other, target[0])


def test_scores_are_those_of_evaluation_and_progress_ends_at_one(world):
    _, target, before, after = world
    told = []
    found = compare_nets({"before": before, "after": after}, target, lambda share, name: told.append((share, name)))
    assert [one.name for one in found] == ["before", "after"]
    for one, net in zip(found, (before, after), strict=True):
        assert one.score.miou == pytest.approx(score(evaluate(net, target)).miou)
        assert one.class_shares.sum() == pytest.approx(1)
        assert 0 <= one.entropy <= 1
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1


def test_progress_can_stop_it(world):
    _, target, before, after = world

    def stop(share, _):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_nets({"before": before, "after": after}, target, stop)


def test_without_labels_there_is_health_and_no_score(world):
    _, target, before, _ = world
    bare = target.subset(target.names, is_labelled=False)
    (one,) = compare_nets({"net": before}, bare)
    assert one.score is None
    assert one.snd > 0
    rows = list(csv.DictReader(io.StringIO(to_csv([one], before.label_space.class_names))))
    assert rows[0]["miou"] == ""
    assert float(rows[0]["entropy"]) == pytest.approx(one.entropy, abs=1e-4)


def test_the_table_reads_back(world):
    _, target, before, after = world
    found = compare_nets({"before, or so": before, "after": after}, target)
    rows = list(csv.DictReader(io.StringIO(to_csv(found, before.label_space.class_names))))
    assert [row["net"] for row in rows] == ["before, or so", "after"]
    assert float(rows[1]["miou"]) == pytest.approx(found[1].score.miou, abs=1e-3)


def test_a_pair_under_two_nets(world):
    source, target, before, after = world
    pair = compare_pair(before, after, source[0], target[0])
    closes = [one.association.is_consistent for one in (pair.before, pair.after)]
    assert pair.num_closed - pair.num_broken == int(closes[1].sum()) - int(closes[0].sum())
    assert pair.is_flow_of_labels
    assert np.allclose(pair.flow_change.sum(1), 0, atol=1e-5)
    same = compare_pair(before, before, source[0], target[0])
    assert (same.num_closed, same.num_broken) == (0, 0)
    assert not same.flow_change.any()
    trace = compare_trace(same, 5)
    assert trace.before.match == trace.after.match
    assert trace.flip in ("still right", "still wrong")
    assert compare_trace(same, 5, "target").flip in ("still right", "still wrong")


def test_a_pixel_is_the_same_place_under_a_net_that_sees_larger_images(world):
    source, target, before, _ = world
    larger = replace(before, short_side=2 * before.short_side)
    pair = compare_pair(before, larger, source[0], target[0])
    (rows, columns), grid = (one.pair.source_size for one in (pair.before, pair.after))
    assert grid == (2 * rows, 2 * columns)
    closes = [one.association.is_consistent.numpy() for one in (pair.before, pair.after)]
    there = closes[1].reshape(grid)[1::2, 1::2].ravel()  # centres lie between two pixels; the later has them
    assert (pair.num_closed, pair.num_broken) == ((there & ~closes[0]).sum(), (closes[0] & ~there).sum())
    assert pair.num_closed + pair.num_broken > 0
    row, column = 2, 5
    for index, of in ((row * columns + column, None), ((2 * row + 1) * grid[1] + 2 * column, grid)):
        trace = compare_trace(pair, index, grid=of)
        assert trace.before.index == row * columns + column
        moved = (2 * row + 1) * grid[1] + 2 * column + (of is None)
        assert trace.after.index == moved
    with pytest.raises(ValueError, match="index must lie on a map"):
        compare_trace(pair, rows * columns)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(False, True, "now right"), (True, False, "now wrong"), (True, True, "still right"), (None, True, "not judged")],
)
def test_flips(before, after, expected):
    assert _flip(before, after) == expected


def test_a_report_stands_alone_and_escapes_everything(world):
    _, target, before, after = world
    evil = "<script>alert(1)</script>"
    scores = [replace(one, name=evil) for one in compare_nets({"before": before, "after": after}, target)]
    sample = replace(target[0], name=evil)
    image = ImageComparison(sample, predict(before, sample.image), predict(after, sample.image))
    report = Report(evil, evil, before.label_space, scores, len(target), [image], {"name": evil})
    text = write_report(report)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 5
    assert "Scored on labels that were not used for training or selection." in text
    assert text.count("data:image/jpeg;base64,") == 3
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(link.startswith("data:image/jpeg;base64,") for link in links)
    assert not re.findall(r"https?://", text)


def test_a_report_without_labels_says_nothing_of_scores(world):
    _, target, before, after = world
    bare = target.subset(target.names, is_labelled=False)
    scores = compare_nets({"before": before, "after": after}, bare)
    text = write_report(Report("t", "s", before.label_space, scores, len(bare)))
    assert "mIoU" not in text
    assert "Share of pixels predicted for each class" in text


def test_a_net_travels_with_its_card(world, tmp_path):
    _, target, before, after = world
    path = tmp_path / "net.safetensors"
    notes = {
        "adapted_with": "adabn",
        "adapted_to": "target",
        "num_target_images": 4,
        "adaptation_step": 1,
        "adaptation": {"seed": 0},
    }
    save_checkpoint(path, replace(after, notes=notes))
    scores = compare_nets({"before": before, "after": after}, target)
    with zipfile.ZipFile(io.BytesIO(pack_net(path, scores))) as archive:
        assert archive.namelist() == ["adapted.safetensors", "card.md"]
        assert archive.read("adapted.safetensors") == path.read_bytes()
        card = archive.read("card.md").decode()
    assert "`adabn`, 1 steps, on 4 images of `target` without their labels" in card
    assert f"| after | {scores[1].score.miou:.1f} |" in card
    assert "top, middle, bottom" in card
