"""Nothing leaves the machine: neither from the server's process nor from the browser of whoever looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest

from app.warmup import PAGES
from pca_core.data import encode_png
from tests.browser.http import ask, ask_socket
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
GUARD = Path(__file__).with_name("guard")
SETTLED = (
    "document.querySelector('[data-testid=stMain]')?.innerText.length > 80 && !document.querySelector('[data-stale=true]')"
    "&& document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
)


@pytest.fixture(scope="module")
def guarded(serve, tmp_path_factory) -> tuple[str, Path]:
    """Address of a server that cannot reach another machine, and the file of its tries."""
    log = tmp_path_factory.mktemp("guard") / "tries.txt"
    log.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUARD_LOG", str(log))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(GUARD), os.environ.get("PYTHONPATH", "")]))
        return serve(ROOT / "app/server.py", "--guarded"), log


@pytest.mark.parametrize(
    ("call", "place"),
    [
        ("create_connection(('192.0.2.1', 80), 1)", "192.0.2.1"),
        ("getaddrinfo('evil.example', 80)", "evil.example"),
        ("getaddrinfo(b'evil.example', 80)", "evil.example"),
        ("gethostbyname('evil.example')", "evil.example"),
        ("socket(socket.AF_INET, socket.SOCK_DGRAM).connect((b'192.0.2.1', 53))", "192.0.2.1"),
    ],
)
def test_the_guard_would_notice(tmp_path, call, place):
    log = tmp_path / "tries.txt"
    code = f"import socket; socket.{call}"
    environment = {**os.environ, "PYTHONPATH": str(GUARD), "GUARD_LOG": str(log)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert "is not allowed here" in done.stderr
    assert place in log.read_text()


def test_no_page_reaches_out(guarded, page, tell):
    """The browser is watched; the policy of the server would have it refuse, and say so on the console."""
    address, log = guarded
    asked, refused = set(), []
    page.on("request", lambda request: asked.add(request.url))
    page.on("websocket", lambda socket: asked.add(socket.url))
    page.on("console", lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None)
    for name in PAGES:
        page.goto(f"{address}/{name}")
        page.wait_for_function(SETTLED, timeout=60_000)
    click_upload_export(page, address)
    places = {urlparse(url).netloc for url in asked if urlparse(url).scheme not in ("data", "blob")}
    assert places == {urlparse(address).netloc}
    assert any(url.startswith("ws:") for url in asked), "the WebSocket was watched too"
    assert refused == []
    assert log.read_text() == ""
    what = f"{len(PAGES)} pages, a click, an upload and an export"
    tell(10, f"{what}: 0 tries of the server, 0 of {len(asked)} requests of the browser to another place")


def click_upload_export(page, address: str) -> None:
    page.goto(f"{address}/images")
    page.locator(".st-key-source_from").get_by_text("My uploads").click()
    field = page.locator("input[type=file]").first
    field.wait_for(state="attached", timeout=20_000)
    with page.expect_response(lambda answer: "upload_file" in answer.url) as sent:
        field.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": encode_png(np.zeros((48, 64, 3), np.uint8))})
    assert sent.value.status == 204
    page.wait_for_function(SETTLED, timeout=60_000)
    page.goto(address)
    page.wait_for_selector(".li-root[data-ready=true]", timeout=60_000)
    page.locator(".li-root canvas").first.click(position={"x": 60, "y": 60})
    page.wait_for_url("**pixel=*", timeout=30_000)
    page.get_by_role("button", name="Export").first.click()
    button = page.get_by_role("dialog").get_by_role("button", name="Download figure")
    button.wait_for(timeout=30_000)
    with page.expect_download(timeout=60_000):
        button.click()


def test_markup_that_fetches_is_stopped_by_the_browser(guarded, page):
    """Whatever slipped into a page: the policy is there and holds."""
    address, _ = guarded
    page.goto(address)
    failed = page.evaluate(
        "new Promise(done => { const image = new Image(); image.onerror = () => done(true); image.onload = () => done(false);"
        "document.addEventListener('securitypolicyviolation', event => done(event.blockedURI));"
        "image.src = 'http://192.0.2.1/spy.png'; })"
    )
    assert failed == "http://192.0.2.1/spy.png"


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": origin} for origin in ("http://evil.example", "http://localhost:1", "null", "http://[evil", "http://[::x]")),
        {"Host": "evil.example"},
    ],
    ids=lambda headers: " ".join(f"{key} {value}" for key, value in headers.items()),
)
def test_a_stranger_is_refused_and_nobody_outside_is_asked(guarded, headers):
    """Streamlit by itself would ask a server outside for this machine's address, to compare it with the origin."""
    address, log = guarded
    assert ask_socket(address, headers).status == 403
    for path in ("/", "/losses", "/_stcore/health", "/static/favicon.png"):
        assert ask(address, path, headers).status == 403, path
    assert log.read_text() == ""
