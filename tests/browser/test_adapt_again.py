"""A server that is killed costs a run nothing but time: whoever comes back clicks once."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

import pytest

from pca_core.data import FolderDataset
from pca_core.models import save_checkpoint
from pca_core.runs import RunStore
from tests.browser.conftest import start_server
from tests.browser.test_adapt_page import open_adapt, set_steps, start
from tests.conftest import ROOT
from tests.faults.conftest import is_running, wait_for
from tests.unit.adaptation_data import make_checkpoint, make_domains

pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(280)]


def test_one_click_resumes_what_a_killed_server_left(page, tmp_path: Path, monkeypatch, tell):
    source, target = make_domains(tmp_path)
    net = tmp_path / "net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    monkeypatch.setenv("CYCLELENS_STATE", str(tmp_path / "state"))
    store, servers = RunStore(), []

    def serve() -> str:
        options = ("--source", str(source), "--target", str(target), "--checkpoint", str(net))
        address, server = start_server(ROOT / "app/server.py", options, tmp_path / f"log-{len(servers)}.txt", {})
        servers.append(server)
        return address

    try:
        open_adapt(page, serve())
        set_steps(page, 400)
        start(page)
        (run,) = store.list()
        wait_for(run.checkpoints, 60, "the first checkpoint")
        worker = run.read_status().pid
        servers[0].kill()
        servers[0].wait()
        wait_for(lambda: not is_running(worker), 5, "the worker's end")
        left = run.read_status().step
        assert 0 < left < 400
        page.goto(f"{serve()}/adapt?{urlparse(page.url).query}")  # the address names the run
        page.get_by_role("button", name="Resume").click(timeout=60_000)
        wait_for(lambda: run.read_status().step > left and run.read_status().state == "running", 60, "going on")
        page.get_by_role("button", name="Cancel").click(timeout=30_000)
        wait_for(lambda: run.read_status().state == "cancelled", 60, "cancelling")
        steps = [record["step"] for record in run.read_metrics()]
        assert steps == list(range(len(steps))), "every step once, none left out"
        tell(7, f"server killed at step {left}: one click on Resume and the run goes on")
    finally:
        for server in servers:
            server.kill()
            server.wait()
