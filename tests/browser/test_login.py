"""A login alone: what a stranger gets who has not signed in, with a gate and without."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from tests.browser.http import ask
from tests.conftest import ROOT
from tests.soak.client import Visitor

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def serve_login(serve, tmp_path_factory) -> Callable[[str], str]:
    """Starts a script with ``[auth]`` in secrets.toml and no token, open to other machines."""
    home = tmp_path_factory.mktemp("home")
    (home / ".streamlit").mkdir()
    (home / ".streamlit/secrets.toml").write_text(
        f'[auth]\nredirect_uri = "http://localhost/oauth2callback"\ncookie_secret = "{SECRET}"\n'
        'client_id = "x"\nclient_secret = "x"\nserver_metadata_url = "http://127.0.0.1:9/none"\n'
    )

    def start(script: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", str(home))
            return serve(ROOT / script, "--public", "--of-login", settings={"server.address": "0.0.0.0"})

    return start


@pytest.mark.browser
@pytest.mark.parametrize("has_login", [False, True])
def test_main_alone_refuses_too(serve, serve_login, page, has_login):
    """It has no gate that could ask for a token, or for who sends a file."""
    main = "app/main.py"
    page.goto(serve_login(main) if has_login else serve(ROOT / main, "--public", settings={"server.address": "0.0.0.0"}))
    page.get_by_text("Nothing would keep strangers from the server").wait_for(timeout=30_000)
    assert page.locator(".li-root").count() == 0


@pytest.mark.browser
def test_a_login_stands_before_the_page(serve_login, page):
    """With ``[auth]`` in secrets.toml nobody sees a page who has not signed in."""
    page.goto(serve_login("app/server.py"))
    page.get_by_role("button", name="Sign in").wait_for(timeout=30_000)
    assert page.locator(".li-root").count() == 0


def test_a_login_stands_before_files(serve_login):
    """Else a stranger's browser, which the page tells where to send files, could fill the memory of the server."""
    address = serve_login("app/server.py")
    visitor = Visitor(address)
    try:
        with pytest.raises(AssertionError, match="401 b'This server asks who you are"):
            visitor.put("large.bin", bytes(2**20))
    finally:
        visitor.close()

    def show(secret: str = SECRET, name: str = "_streamlit_user", **says: object) -> dict[str, str]:
        return {"Cookie": f"_streamlit_user={create_signed_value(secret, name, json.dumps(says)).decode()}"}

    strangers = {
        "nothing": {},
        "no cookie of ours": {"Cookie": "_streamlit_user=x"},
        "no text": {"Cookie": "_streamlit_user=\x81\x82"},
        "signed by another": show("another secret of 32 characters.", is_logged_in=True),
        "signed for another cookie": show(name="_streamlit_user_tokens", is_logged_in=True),
        "signed, not signed in": show(is_logged_in=False),
    }
    for path in ("/_stcore/upload_file/a/b", "/media/any.png", "/_stcore%2Fupload_file/a/b"):
        for who, headers in strangers.items():
            assert ask(address, path, headers).status == 401, f"{path}: {who}"
        assert ask(address, path, show(is_logged_in=True)).status != 401, path
