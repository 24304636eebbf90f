"""Closed by default: who is let in, by what, and what a server refuses to do."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlparse

import pytest

from app.access import AccessError, check_address, has_login, is_loopback, list_own_names, read_token
from tests.browser.conftest import find_free_port
from tests.browser.http import ask, ask_socket
from tests.conftest import ROOT

TOKEN = "a-token-of-the-tests-0123456789"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def locked(serve, tmp_path_factory) -> str:
    """Address of a server that asks for a token."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(f"{TOKEN}\n")
    return serve(ROOT / "app/server.py", "--public", "--token-file", str(file), "--allow-host", "box.example")


def test_without_the_token_nothing_is_served_but_the_question(locked):
    assert ask_socket(locked).status == 403
    for path in (
        "/",
        "/losses",
        "/static/favicon.png",
        "/media/any.png",
        "/_stcore/host-config",
        "/_stcore/upload_file/a/b",
    ):
        answer = ask(locked, path)
        assert (answer.status, answer.body) == (401, "This server asks for a token.\n"), path
    assert ask(locked, "/_stcore/health").body == "ok", "for the check of a container, and it tells nothing"
    page = ask(locked, "/?pixel=source-1", HTML)
    assert page.status == 401
    assert 'type="password"' in page.body
    assert "box.example" not in page.body


@pytest.mark.parametrize("given", ["wrong", TOKEN[:-1], TOKEN + "0", "%F0%9F%98%80", "%FF%00"])
def test_a_wrong_token_is_none(locked, given):
    answer = ask(locked, "/", HTML, form=f"token={given}")
    assert answer.status == 401
    assert "not the token" in answer.body
    assert answer.headers["set-cookie"] is None


def test_what_is_not_shown_at_all_is_asked_for(locked):
    assert "This server asks" in ask(locked, "/", HTML, form="token=").body
    assert "This server asks" in ask(locked, "/", HTML, form="token=" + 9000 * "x").body, "longer than any token"
    assert ask(locked, "/", {"Cookie": f"{cookie_name(locked)}={TOKEN}"}).status == 401, "the cookie is not the token itself"


def cookie_name(address: str) -> str:
    return f"cyclelens_{urlparse(address).port}"


@pytest.mark.parametrize("way", ["form", "address"])
def test_the_token_opens_page_and_socket(locked, way):
    form = f"token={TOKEN}" if way == "form" else None
    path = "/losses?pixel=source-1" + ("" if form else f"&token={TOKEN}")
    answer = ask(locked, path, HTML, form=form)
    assert (answer.status, answer.headers["location"]) == (303, "?pixel=source-1"), "back to where one wanted to go"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(attributes)
    assert TOKEN not in cookie
    assert ask(locked, "/losses", {"Cookie": cookie}).status == 200
    assert ask_socket(locked, {"Cookie": cookie}).status == 101
    assert ask(locked, "/", {"Cookie": cookie, "Origin": "http://evil.example"}).status == 403
    assert ask(locked, "//evil.example/", HTML, form=f"token={TOKEN}").headers["location"].startswith("?"), "not elsewhere"
    proxied = ask(locked, "/", {**HTML, "X-Forwarded-Proto": "https"}, form=f"token={TOKEN}")
    assert "Secure" in proxied.headers["set-cookie"]


def test_every_answer_carries_a_policy(locked):
    """Neither a page of the app nor the sign-in page can be framed by another, or send its form elsewhere."""
    shown = {"Authorization": f"Bearer {TOKEN}"}
    answers = {
        "a page": ask(locked, "/", shown),
        "the sign-in page": ask(locked, "/", HTML),
        "401": ask(locked, "/"),
        "a sign-in": ask(locked, "/", HTML, form=f"token={TOKEN}"),
        "403 for an origin": ask(locked, "/", {**shown, "Origin": "http://evil.example"}),
        "403 for a name": ask(locked, "/", {"Host": "evil.example"}),
    }
    for what, answer in answers.items():
        whom = "'none'" if answer.status == 403 else "'self'"
        policy = answer.headers["content-security-policy"] or ""
        assert {f"form-action {whom}", f"frame-ancestors {whom}"} <= set(policy.split("; ")), what
        assert "evil" not in policy, what
        assert answer.headers["x-content-type-options"] == "nosniff", what


def test_a_script_shows_its_token_with_every_request(locked):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(locked, "/", headers).status == 200
    assert ask_socket(locked, headers).status == 101
    assert ask(locked, "/", {"Authorization": f"Bearer {TOKEN}x"}).status == 401


def test_a_server_goes_by_its_own_names(locked):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(locked, "/", {**headers, "Host": "box.example"}).status == 200
    assert ask(locked, "/", {**headers, "Host": "other.example"}).status == 403


@pytest.mark.browser
def test_a_person_signs_in(locked, page):
    page.goto(f"{locked}/losses?pixel=source-900")
    page.get_by_label("Token").fill("not this one")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("That is not the token").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Losses").first.wait_for(timeout=60_000)  # told by the WebSocket
    assert "/losses?pixel=source-900" in page.url
    assert "token" not in page.url


def test_the_command_refuses_in_one_sentence(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "CYCLELENS_TOKEN"} | {"HOME": str(tmp_path)}
    flags = ["--headless", "--port", str(find_free_port()), "--address", "0.0.0.0", "--public"]
    command = [sys.executable, "-m", "pca_core.cli", "app", *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (2, "")
    assert done.stderr.startswith("cyclelens: Nothing would keep strangers from the server")
    assert done.stderr.strip().endswith("[ADDRESS_UNGUARDED]")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        *((name, True) for name in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.0.1")),
        *((name, False) for name in (None, "", "0.0.0.0", "::", "192.168.1.4", "box.example", "localhost.example")),
    ],
)
def test_what_counts_as_this_machine_alone(address, is_here):
    assert is_loopback(address) == is_here
    if is_here:
        check_address(address, is_public=False, is_guarded=False)
        return
    for is_public, is_guarded, code in ((False, True, "ADDRESS_PUBLIC"), (True, False, "ADDRESS_UNGUARDED")):
        with pytest.raises(AccessError) as error:
            check_address(address, is_public=is_public, is_guarded=is_guarded)
        assert error.value.code == code
    check_address(address, is_public=True, is_guarded=True)


def test_tokens_and_logins_are_read_from_files_and_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("CYCLELENS_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("CYCLELENS_TOKEN", f" {TOKEN} ")
    assert read_token(None) == TOKEN
    (tmp_path / "short").write_text("short")
    for file, code in (
        (tmp_path / "short", "TOKEN_SHORT"),
        (tmp_path, "TOKEN_UNREADABLE"),
        ("~nobodyhere/x", "TOKEN_UNREADABLE"),
    ):
        with pytest.raises(AccessError) as error:
            read_token(file)
        assert error.value.code == code
    assert not has_login([tmp_path])
    (tmp_path / "secrets.toml").write_text("[auth]\nclient_id = 'x'")
    assert has_login([Path("/nowhere"), tmp_path])


def test_a_server_knows_its_names():
    assert list_own_names("127.0.0.1") == ["localhost", "127.0.0.1", "::1"]
    assert list_own_names("10.0.0.4")[-1] == "10.0.0.4"
    assert set(list_own_names("127.0.0.1")) < set(list_own_names("0.0.0.0"))


def test_settings_are_those_of_the_design_wherever_it_is_started(tmp_path):
    """Beside the script, not in the folder where somebody happens to be."""
    settings = tomllib.loads((ROOT / "app/.streamlit/config.toml").read_text())
    server = settings["server"]
    assert server["address"] == "127.0.0.1"
    assert server["allowedHosts"] == ["localhost", "127.0.0.1", "::1"]
    assert (server["enableCORS"], server["enableXsrfProtection"], server["enableStaticServing"]) == (True, True, False)
    assert (server["maxUploadSize"], server["fileWatcherType"]) == (50, "none")
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["client"]["showErrorDetails"] == "none"
    assert (ROOT / ".streamlit").resolve() == ROOT / "app/.streamlit"
    code = (
        "from streamlit import config, file_util; config._main_script_path = __import__('sys').argv[1]; "
        "print(config.get_option('server.address'), config.get_option('client.showErrorDetails'))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "app/server.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["127.0.0.1", "none"]
