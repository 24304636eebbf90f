"""A disk on which no description, status or flag fits, or not a byte: each change is refused in a sentence and leaves nothing."""

from __future__ import annotations

import itertools

import pytest

from pca_core.checks import InputError
from pca_core.cli import main
from pca_core.runs.foreground import open_folder
from tests.conftest import room_for
from tests.faults.conftest import wait_for

BRIEF = "tests.faults.work:brief"


def refuse(act, size: int = 100) -> InputError:
    with room_for(size), pytest.raises(InputError) as error:
        act()
    return error.value


@pytest.mark.parametrize("size", [0, 100])
def test_a_start_is_refused_and_leaves_nothing(supervisor, request_of, size):
    request = request_of()
    error = refuse(lambda: supervisor.start(request, token="click", work=BRIEF), size)
    assert error.code == "FOLDER_FULL"
    assert "Make room and try again" in str(error)
    assert list(supervisor.store.folder.iterdir()) == []
    run = supervisor.start(request_of(), token="click", work=BRIEF)
    wait_for(lambda: supervisor.reconcile(run).state == "done", 20, "the run once there is room")


def test_a_start_whose_token_cannot_be_kept_leaves_nothing(supervisor, request_of):
    supervisor.store.folder.mkdir(parents=True)
    (supervisor.store.root / "tokens").write_bytes(b"")  # where the folder of links should be
    with pytest.raises(InputError) as error:
        supervisor.start(request_of(), token="click", work=BRIEF)
    assert error.value.code == "FOLDER_READ_ONLY"
    assert list(supervisor.store.folder.iterdir()) == []


def test_a_start_whose_child_cannot_be_made_leaves_nothing(supervisor, request_of, monkeypatch):
    monkeypatch.setattr("pca_core.runs.supervisor.sys.executable", "/no/such/python")
    with pytest.raises(InputError, match="no/such/python") as caught:
        supervisor.start(request_of(), token="click", work=BRIEF)
    assert caught.value.code == "CHILD_REFUSED"
    assert list(supervisor.store.folder.iterdir()) == []


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("state", ["paused", "interrupted"])
def test_neither_cancel_nor_resume_raises_what_nobody_understands(supervisor, request_of, state, size):
    run = supervisor.store.create(request_of())
    run.write_status(state=state)
    for act in (supervisor.cancel, supervisor.resume):
        error = refuse(lambda act=act: act(run), size)
        assert error.code == "FOLDER_FULL"
        assert run.read_status().state == state


def test_a_flag_that_does_not_fit_is_told(supervisor, request_of):
    run = supervisor.start(request_of(), work="tests.faults.work:beating")
    wait_for(lambda: run.read_status().state == "running", 20, "the run")
    for act, size in itertools.product((supervisor.cancel, supervisor.pause), (0, 2)):
        assert refuse(lambda act=act: act(run), size).code == "FOLDER_FULL"


def test_the_shell_tells_the_code(supervisor, request_of, tmp_path, capsys):
    run = supervisor.store.create(request_of())
    run.write_status(state="paused")
    with room_for(100):
        status = main(["runs", "cancel", run.id, "--state", str(supervisor.store.root)])
    assert status == 2
    assert "[FOLDER_FULL]" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 100, 1000], ids=["not a byte", "not the status", "not the request"])
def test_a_folder_that_could_not_be_filled_can_be_named_again(request_of, tmp_path, size):
    def make() -> None:
        open_folder(tmp_path / "out", request_of(), is_resumed=False)

    assert refuse(make, size).code == "FOLDER_FULL"
    make()


def test_what_is_deleted_already_is_told(supervisor, request_of):
    run = supervisor.store.create(request_of())
    supervisor.store.delete(run)
    with pytest.raises(InputError) as error:
        supervisor.store.delete(run)
    assert error.value.code == "RUN_NOT_FOUND"
