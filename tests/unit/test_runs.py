"""Run folders, requests, uploads, the try before a start, and runs side by side."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pca_core.checks import InputError
from pca_core.data import FolderDataset, encode_png
from pca_core.inference import predict
from pca_core.models import save_checkpoint
from pca_core.runs import DataChoice, PinnedPixel, Run, RunRequest, RunStore, execute, previews
from pca_core.runs.digest import read_digest
from pca_core.runs.folder import create_folder
from pca_core.runs.preflight import check, check_in_child
from pca_core.runs.previews import read_pictures, read_traces
from pca_core.runs.store import describe_environment
from pca_core.runs.summary import relative_to_first, seconds_left
from tests.unit.adaptation_data import TINY, make_checkpoint, make_domains


@pytest.fixture
def request_(tmp_path) -> RunRequest:
    source, target = make_domains(tmp_path / "data")
    net = tmp_path / "data/net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    pixel = PinnedPixel("000", "001", "source", 3)
    data = DataChoice(str(source)), DataChoice(str(target))
    return RunRequest(
        str(net), *data, TINY, device="cpu", save_every=2, pinned_targets=("002",), pinned_pixels=(pixel,), scored_target=data[1]
    )


def make_run(folder: Path, request: RunRequest) -> Run:
    return create_folder(folder, request, describe_environment())


def test_a_request_reads_back_as_it_was(request_):
    assert RunRequest.from_dict(json.loads(json.dumps(request_.to_dict()))) == request_
    assert RunRequest.from_dict(request_.to_dict()).digest == request_.digest
    assert replace(request_, name="other").digest != request_.digest


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"devise": "cpu"}, "devise: Unexpected"),
        ({"config": {"steps": 0}}, "steps must be at least 1"),
        ({"target": {"where": 3}}, "target.where: Input should be a valid string"),
        ({"save_every": 0}, "save_every must be at least 1"),
    ],
)
def test_a_request_that_cannot_be_is_named(request_, change, expected):
    with pytest.raises(ValueError, match=expected):
        RunRequest.from_dict(request_.to_dict() | change)


def test_a_run_from_start_to_end(tmp_path, request_):
    run, told = make_run(tmp_path / "run", request_), []
    assert execute(run, lambda step, num_steps: told.append((step.step, num_steps))) == "done"
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    status = run.read_status()
    assert (status.state, status.step, status.num_steps, status.device) == ("done", 4, 4, "cpu")
    assert [record["step"] for record in run.read_metrics()] == [0, 1, 2, 3, 4]
    assert [path.name for path in run.checkpoints()] == ["step-000002", "step-000004"]
    assert run.newest_net == run.adapted_path
    assert sorted(run.previews()) == [0, 2, 4]
    space = make_checkpoint(FolderDataset(request_.source.where)).label_space
    assert [picture.shape for picture in read_pictures(run, 4, space)] == [(32, 48, 3)]
    (trace,) = read_traces(run, 4)
    assert trace["text"].startswith("Source pixel (0, 3) goes to target pixel")
    facts = run.facts
    assert facts["hash"] == request_.digest
    assert {"torch", "numpy", "python", "cyclelens"} <= facts["versions"].keys()
    assert json.loads((run.folder / "inputs.json").read_text()).keys() == {"checkpoint", "source", "target"}


def test_the_pace_knows_no_date_and_no_pause(tmp_path, request_, monkeypatch):
    run, now, real = make_run(tmp_path / "run", request_), [1.8e9], time.monotonic

    def progress(step, _):
        now[0] -= 86_400  # somebody sets the clock back
        if step.step == 2:
            run.raise_flag("pause")

    monkeypatch.setattr("time.time", lambda: now[0])
    assert execute(run, progress) == "paused"
    monkeypatch.setattr("time.monotonic", lambda: real() + 28_800)  # and goes on the next morning
    assert execute(run, progress) == "done"
    assert 0 < read_digest(run).seconds_per_step < 600


def test_a_status_that_is_damaged_while_the_run_is_at_work_is_written_anew(tmp_path, request_, monkeypatch):
    """Else it would look interrupted to everybody until its end, and nobody could cancel it."""
    run, seen = make_run(tmp_path / "run", request_), []
    monkeypatch.setattr("pca_core.runs.worker.TOLD_SECONDS", 0.0)

    def progress(step, _):
        seen.append(run.read_status())
        (run.folder / "status.json").write_text("null")

    assert execute(run, progress) == "done"
    for step, status in enumerate(seen, 1):
        assert (status.state, status.step, status.num_steps, status.message) == ("running", step, 4, "")
        assert (status.pid, status.device) == (os.getpid(), "cpu")


def test_a_pinned_pixel_keeps_its_place_in_the_image(tmp_path, request_):
    """Its map may be another than that of a net which sees larger images, as ``quick`` has it."""
    pins = tuple(PinnedPixel("000", "001", side, 23, (4, 6)) for side in ("source", "target"))  # the last one
    net = replace(make_checkpoint(FolderDataset(request_.source.where)), short_side=16)
    save_checkpoint(request_.checkpoint, net)
    config = replace(TINY, steps=1, enlarge=2.0)
    run = make_run(tmp_path / "run", RunRequest.from_dict(replace(request_, config=config, pinned_pixels=pins).to_dict()))
    assert execute(run) == "done"
    for step, place in ((0, "(3, 5)"), (1, "(7, 11)")):
        one, two = (trace["text"] for trace in read_traces(run, step))
        assert one.startswith(f"Source pixel {place} ")
        assert f"arget pixel {place}" in two


def test_the_picture_before_is_of_the_net_as_it_came(tmp_path, request_):
    """The mIoU before is told beside it; the target's own statistics and a larger image are part of the adaptation."""
    checkpoint = replace(make_checkpoint(FolderDataset(request_.source.where)), short_side=16)
    save_checkpoint(request_.checkpoint, checkpoint)
    config = replace(TINY, steps=1, enlarge=2.0, batch_norm="per-domain")
    run = make_run(tmp_path / "run", replace(request_, config=config))
    assert execute(run) == "done"
    image = FolderDataset(request_.target.where, domain="target")[2].image
    shown = np.array(Image.open(run.previews()[0] / "0.png"))
    np.testing.assert_array_equal(shown, predict(checkpoint, image))


def test_torn_lines_are_dropped(tmp_path, request_):
    run = make_run(tmp_path / "run", request_)
    run.append_metrics({"step": 1})
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "los')
    assert run.read_metrics() == [{"step": 1}]
    run.drop_metrics_after(0)
    assert run.read_metrics() == []


def test_a_log_does_not_grow_without_end(tmp_path, request_):
    run = make_run(tmp_path / "run", request_)
    path = run.folder / "log.txt"
    with path.open("ab", buffering=0) as printed:  # as the worker's own output is
        for number in range(300):
            run.log(f"{number} " + "x" * 2000)
        assert path.stat().st_size < 300_000
        assert "299 x" in run.read_log(1)
        printed.write(b"y" * 300_000 + b"\nthe last words\n")
        run.cap_log()
        assert path.stat().st_size < 300_000
        printed.write(b"and more\n")
    assert run.read_log(2).splitlines() == ["the last words", "and more"]


def test_previews_are_thinned_out(tmp_path, request_, monkeypatch):
    monkeypatch.setattr("pca_core.runs.previews.MAX_PREVIEWS", 4)
    request = replace(request_, config=replace(TINY, steps=9, evaluate_every=1, method="source-only"), save_every=100)
    run = make_run(tmp_path / "run", request)
    assert execute(run) == "done"
    steps = sorted(run.previews())
    assert 3 <= len(steps) <= 4
    assert (steps[0], steps[-1]) == (0, 9)


def test_runs_are_found_by_the_beginning_of_their_name(tmp_path, request_):
    store = RunStore(tmp_path / "state")
    run = store.create(request_)
    assert store.get(run.id[:-1]).id == run.id
    for name in ("2", "../..", "nobody", ""):
        with pytest.raises(InputError) as error:
            store.get(name)
        assert error.value.code == "RUN_NOT_FOUND"
    store.delete(run)
    assert store.list() == []


def test_what_is_no_run_is_not_listed(tmp_path, request_):
    store = RunStore(tmp_path / "state")
    store.create(request_)
    (store.folder / "something else").mkdir()
    (store.folder / ".new-abc").mkdir()
    assert len(store.list()) == 1


def test_a_broken_description_is_told(tmp_path, request_):
    run = make_run(tmp_path / "run", request_)
    (run.folder / "run.json").write_text("{")
    with pytest.raises(InputError) as error:
        _ = Run(run.folder).request
    assert error.value.code == "RUN_BROKEN"


def test_the_try_before_a_start(request_):
    found = check(request_)
    assert (found.num_source, found.num_target, found.num_held_out) == (5, 4, 1)
    assert found.seconds_per_step > 0
    assert found.seconds_in_all > 4 * found.seconds_per_step * 0.99
    assert found.memory_mb > 50
    assert len(found.source_views) == len(found.target_views) == 2
    assert found.source_views[0].startswith(b"\x89PNG")
    assert any("Only 4 target images" in sentence for sentence in found.notices)
    assert any("not used for training or selection" in sentence for sentence in found.notices)


def test_the_try_in_a_child_tells_what_is_wrong_with_the_input(request_, tmp_path):
    with pytest.raises(InputError) as error:
        check_in_child(replace(request_, target=request_.source), RunStore(tmp_path / "state"))
    assert error.value.code == "ADAPT_TARGET_IS_SOURCE"


def test_mixed_sizes_are_noticed(request_):
    path = next((Path(request_.target.where) / "images").iterdir())
    path.write_bytes(encode_png(np.zeros((20, 48, 3), np.uint8)))
    assert any("2 sizes" in sentence for sentence in check(replace(request_, scored_target=None)).notices)


def test_time_left_and_shares_of_the_first_value(tmp_path, request_):
    run = make_run(tmp_path / "run", request_)
    assert seconds_left(run.read_status(), read_digest(run)) is None
    for step in range(1, 5):
        run.append_metrics({"step": step, "time": 100.0 + 3 * step})
    assert seconds_left(run.write_status(state="running", step=4, num_steps=14), read_digest(run)) == 30
    assert seconds_left(run.write_status(step=15), read_digest(run)) == 0
    for step in (5, 6):  # after a night's pause: each life counts from its own beginning
        run.append_metrics({"step": step, "time": 2.0 * step})
    assert seconds_left(run.write_status(step=6, num_steps=16), read_digest(run)) == 20
    assert relative_to_first([2.0, 1.0, -4.0]) == [1, 0.5, -2]
    assert relative_to_first([0.0, 1.0]) == [0, 1]


def test_a_preview_appears_whole(tmp_path, request_, monkeypatch):
    """A page that looks while one is written must not see, and keep, part of it."""
    run, seen = make_run(tmp_path / "run", request_), []
    real = previews.predict

    def look(*arguments):
        seen.append(sorted(run.previews()))
        return real(*arguments)

    monkeypatch.setattr(previews, "predict", look)
    assert execute(run) == "done"
    assert seen == [[], [0], [0, 2]]
    assert sorted(run.previews()) == [0, 2, 4]
    assert not list((run.folder / "previews").glob(".*"))
