"""The proxies of ``docs/deploy.md``, as they stand there: pages, sign-in and WebSocket through TLS."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.browser.conftest import find_free_port, start_server
from tests.conftest import ROOT

pytestmark = pytest.mark.soak
NAME, TOKEN = "lens.example.org", "a-token-of-the-tests-0123456789"


def read_example(language: str) -> str:
    """The one block of a language in the documentation."""
    return re.search(rf"```{language}\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "token").write_text(TOKEN)
    options = ("--token-file", str(folder / "token"), "--allow-host", NAME)
    address, process = start_server(ROOT / "app/server.py", options, folder / "log.txt", {})
    yield address
    process.terminate()
    process.wait(20)


def write_nginx(folder: Path, server: str, port: int) -> list[str]:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-days", "2"]
    subprocess.run([*command, "-keyout", folder / "key", "-out", folder / "pem"], check=True, capture_output=True)
    text = read_example("nginx").replace("listen 443", f"listen 127.0.0.1:{port}").replace("http://127.0.0.1:8501", server)
    for ending in ("pem", "key"):
        text = text.replace(f"/etc/ssl/{NAME}.{ending}", str(folder / ending))
    logs = f"pid {folder}/pid; error_log {folder}/log; daemon off;"
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "conf").write_text(f"{logs} events {{}} http {{ access_log off; {paths} {text} }}")
    return ["nginx", "-c", str(folder / "conf")]


def write_caddy(folder: Path, server: str, port: int) -> list[str]:
    text = read_example("caddy").replace(NAME, f"https://{NAME}:{port}", 1)
    text = text.replace("127.0.0.1:8501", server.removeprefix("http://"))
    text = text.replace("{\n", "{\n    tls internal\n    bind 127.0.0.1\n", 1)
    settings = ("admin off", "skip_install_trust", "auto_https disable_redirects", f"storage file_system {folder}/store")
    (folder / "Caddyfile").write_text("\n".join(("{", *settings, "}", text)))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.mark.parametrize(("proxy", "write"), [("nginx", write_nginx), ("caddy", write_caddy)])
def test_a_proxy_of_the_documentation(proxy, write, server, tmp_path):
    if shutil.which(proxy) is None:
        pytest.skip(f"{proxy} is not installed")
    port = find_free_port()
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(write(tmp_path, server, port), stdout=out, stderr=out)
    try:
        check_proxy(port)
    finally:
        process.terminate()
        process.wait(20)


def check_proxy(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    origin = f"https://{NAME}:{port}"
    headers = {"Host": f"{NAME}:{port}", "Origin": origin, "Accept": "text/html"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    wait_until_open(port, context)

    def ask(method: str, body: str | None = None, **more: str):
        connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
        connection.sock = context.wrap_socket(reach(port), server_hostname=NAME)
        connection.request(method, "/losses", body, {**headers, **form, **more})
        return connection.getresponse()

    assert ask("GET").status == 401
    answer = ask("POST", f"token={TOKEN}")
    assert answer.status == 303
    cookie = answer.headers["set-cookie"]
    assert "Secure" in cookie, "the server learns that there is TLS before it"
    cookie = cookie.partition(";")[0]
    assert ask("GET", Cookie=cookie).status == 200
    url = f"wss://{NAME}:{port}/_stcore/stream"
    more = {"Cookie": cookie}
    with connect(url, sock=reach(port), ssl=context, server_hostname=NAME, origin=origin, additional_headers=more) as found:
        assert found.response.status_code == 101


def reach(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 20)


def wait_until_open(port: int, context: ssl.SSLContext) -> None:
    """A proxy listens before it has its certificate."""
    for _ in range(200):
        try:
            context.wrap_socket(reach(port), server_hostname=NAME).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the proxy did not start")
