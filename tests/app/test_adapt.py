"""Adapt and Compare without a browser: what is shown at once, and that wrong input says one sentence."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.state import runs
from pca_core.adaptation import METHODS, PRESETS
from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES, encode_png
from pca_core.data.streets import BUILT_IN_NET
from pca_core.runs import Run, RunRequest, digest
from pca_core.runs.request import DataChoice
from pca_core.runs.supervisor import device_lock
from tests.app.pages import open_page


@pytest.fixture
def adapt() -> AppTest:
    return open_page("adapt")


def test_opens_ready_to_check_on_the_built_in_pair(adapt):
    assert adapt.text_input(key="adapt_source").value == "streets:noon"
    assert adapt.text_input(key="adapt_target").value == "streets:dusk-rain"
    assert adapt.selectbox(key="adapt_method").value == "plca"
    assert adapt.number_input(key="adapt_steps quick").value == PRESETS["quick"].steps
    assert not adapt.button(key="adapt_check").disabled
    assert not adapt.error


def test_every_method_explains_itself(adapt):
    for name, method in METHODS.items():
        adapt.selectbox(key="adapt_method").set_value(name).run()
        assert any(method.explanation in caption.value for caption in adapt.caption)
        assert not adapt.exception


def test_the_papers_preset_brings_its_own_values(adapt):
    adapt.selectbox(key="adapt_preset").set_value("plca-paper").run()
    assert adapt.number_input(key="adapt_lr plca-paper").value == 2.5e-4
    assert adapt.number_input(key="adapt_steps plca-paper").value == PRESETS["plca-paper"].steps
    assert adapt.selectbox(key="adapt_optimizer plca-paper").value == "sgd"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [("adapt_steps quick", 0, "steps must be at least 1, got 0"), ("adapt_lr quick", 0.0, "learning_rate must be positive")],
)
def test_a_knob_that_cannot_be_is_told(adapt, key, value, expected):
    adapt.number_input(key=key).set_value(value).run()
    assert expected in " ".join(error.value.replace("\\", "") for error in adapt.error)
    assert not adapt.exception


def test_no_target_images_leave_the_check_waiting(adapt):
    adapt.segmented_control(key="adapt_from").set_value("My images").run()
    assert adapt.button(key="adapt_check").disabled
    assert adapt.file_uploader(key="adapt_files").proto.max_upload_size_mb == 50  # what the server takes


@pytest.fixture
def _no_runs(tmp_path, monkeypatch) -> Iterator[None]:
    """A store of its own, whatever other tests have run."""
    monkeypatch.setenv("CYCLELENS_STATE", str(tmp_path))
    runs.get_supervisor.clear()
    yield
    runs.get_supervisor.clear()


@pytest.mark.usefixtures("_no_runs")
def test_nothing_to_compare_says_what_to_do():
    app = open_page("compare")
    assert "Nothing to compare yet" in [item.value for item in app.subheader]


@pytest.mark.usefixtures("_no_runs")
def test_beside_a_run_another_can_be_queued_unchecked():
    supervisor = runs.get_supervisor()
    app = open_page("adapt")
    with device_lock(supervisor.store, "cpu"):  # as a run holds it
        app.button(key="adapt_check").click().run()
        assert [error.value for error in app.error if "A run is at work on cpu" in error.value]
        assert any("can be queued" in info.value for info in app.info)
        app.toggle(key="adapt_controls").set_value(False).run()
        app.button(key="adapt_start").click().run()
        assert not app.exception
        ((run, status),) = runs.list_runs()
        assert status.state == "queued"
        supervisor.cancel(run)
        deadline = time.monotonic() + 30
        while supervisor.reconcile(run).state != "cancelled":
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_label_ids_of_a_folder_are_read_as_on_the_images_page(tmp_path):
    """A folder whose ids nothing names can be adapted from, once they were named there."""

    def script(folder):
        import streamlit as st

        from app.state import folders, session
        from app.views import adapt

        session.start({})
        folders.set_convention("source", folder, "label_ids")
        st.json(
            {"source": adapt._choose("source", f" {folder} ").convention, "target": adapt._choose("target", folder).convention}
        )

    app = AppTest.from_function(script, args=(str(tmp_path),), default_timeout=60).run()
    assert not app.exception
    assert json.loads(app.json[0].value) == {"source": "label_ids", "target": None}
    request = DataChoice(str(tmp_path), convention="nonsense")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(InputError, match="There is no id convention"):
        request.open("source", LABEL_SPACES["cityscapes-19"])


DAMAGE = {"null": b"null", "list": b"[3]", "deep": b"[" * 200_000, "no text": b"\xff\xfe\x80", "torn": b'{"request": {'}


def create_two(folder: Path) -> tuple[Run, Run]:
    """A good one, begun on the built-in streets, and one to be damaged."""
    streets = DataChoice("streets:noon"), DataChoice("streets:dusk-rain")
    store, request = runs.get_supervisor().store, RunRequest(str(BUILT_IN_NET), *streets, device="cpu")
    assert store.root == folder
    good, bad = store.create(request), store.create(request)
    for run in (good, bad):
        run.write_status(state="interrupted", step=2)
        run.append_metrics(
            {"step": 0, "losses": {}, "health": {"entropy": 0.5, "rate": 0.5}, "scores": {"target": {"miou": 20.0}}}
        )
        run.append_metrics({"step": 2, "losses": {"cross_entropy": 0.5}, "health": {"entropy": 0.25}, "scores": {}})
    return good, bad


@pytest.mark.usefixtures("_no_runs")
@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_run_is_told_hides_no_other_and_can_be_deleted(tmp_path, content):
    good, bad = create_two(tmp_path)
    (bad.folder / "run.json").write_bytes(content)
    app = open_page("adapt", run=bad.id)
    assert not app.exception
    assert f"The description of run {bad.id} cannot be read" in " ".join(error.value.replace("\\", "") for error in app.error)
    labels = {item.key: item.label for item in app.button if str(item.key).startswith("run 2")}
    assert labels.keys() == {f"run {good.id}", f"run {bad.id}"}
    assert "cannot be read" in labels[f"run {bad.id}"]
    assert "interrupted" in labels[f"run {good.id}"]
    app.button(key="run_delete").click().run()
    assert not app.exception
    assert not bad.folder.exists()
    assert f"run {bad.id}" not in {item.key for item in app.button}
    app.button(key=f"run {good.id}").click().run()
    assert not app.exception
    assert not app.error
    assert app.button(key="run_resume")
    assert not open_page("compare").error


@pytest.mark.usefixtures("_no_runs")
def test_a_damaged_run_that_is_at_work_can_be_stopped_first(tmp_path):
    _, bad = create_two(tmp_path)
    (bad.folder / "run.json").write_text("null")
    bad.write_status(state="running")
    with bad.lock():
        app = open_page("adapt", run=bad.id)
        assert "run_delete" not in {item.key for item in app.button}
        app.button(key="run_cancel").click().run()
        assert not app.exception
        assert bad.has_flag("cancel")
    deadline = time.monotonic() + 30
    while bad.read_status().state != "cancelled" or bad.is_alive:  # the thread that sees to it holds the lock to say so
        assert time.monotonic() < deadline
        time.sleep(0.1)
    app.run()
    app.button(key="run_delete").click().run()
    assert not bad.folder.exists()


@pytest.mark.usefixtures("_no_runs")
@pytest.mark.parametrize("name", ["status.json", "metrics.jsonl", "heartbeat", "previews/step-000000/traces.json"])
@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_run_with_damaged_reports_is_shown_as_far_as_it_goes(tmp_path, name, content):
    _, bad = create_two(tmp_path)
    path = bad.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    app = open_page("adapt", run=bad.id)
    assert not app.exception
    assert not app.error
    assert app.button(key="run_resume")


@pytest.mark.usefixtures("_no_runs")
def test_a_run_is_watched_by_what_was_added(tmp_path, monkeypatch):
    """Whatever number of sessions draw it, and however often."""
    run, _ = create_two(tmp_path)
    lines, real = [], digest.parse
    monkeypatch.setattr(digest, "parse", lambda line: lines.append(line) or real(line))
    sessions = [open_page("adapt", run=run.id) for _ in range(2)]
    assert len(lines) == 2
    run.append_metrics({"step": 3, "losses": {"cross_entropy": 0.25}, "health": {"entropy": 0.125, "rate": 0.75}})
    for app in sessions:
        app.run()
        assert {item.label: item.value for item in app.metric}["Entropy"] == "0.12"
    assert len(lines) == 3


@pytest.mark.usefixtures("_no_runs")
def test_a_run_that_is_deleted_while_it_is_watched_says_so(tmp_path):
    run, other = create_two(tmp_path)
    app = open_page("adapt", run=run.id)
    shutil.rmtree(run.folder)
    app.run()
    assert not app.exception
    assert f"run {run.id}" not in {item.key for item in app.button}
    assert f"run {other.id}" in {item.key for item in app.button}
    assert any("Adapt the net to images" in item.value for item in app.subheader)
