"""What every request passes first, be it for a page, a WebSocket or a file: this server's own names, and its token or login."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks, is_host_allowed

from app.entrance import uses_login

PAGE = Template(Path(__file__).with_name("sign_in.html").read_text(encoding="utf-8"))
ASK = "This server asks for a token."
SIGN_IN = "This server asks who you are: sign in on its page first."
WRONG = "That is not the token of this server."
HEALTH = "/_stcore/health"  # says "ok" and nothing else; a container's health check has no token
SIGNED_IN_ONLY = (
    "/_stcore/upload_file",
    "/media/",
)  # what a login alone guards here: the page that asks who one is needs neither
COOKIE_SECONDS = 30 * 86400
FORM_BYTES = 4096
# The browser itself then refuses whatever a page would fetch from elsewhere, also for markup that slipped in with a name.
# Streamlit's bundle and components need all that is listed; not every browser takes the WebSocket for 'self'.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob: ws://{host} wss://{host}; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'self'; object-src 'none'"
)
FOR_STRANGERS = (
    "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"  # their host is not repeated to them
)


class Gate:
    """ASGI middleware, the outermost one.

    Args:
        app: What is behind it.
        token: What visitors must show once, by the sign-in page, by ``?token=`` or with every request as
            ``Authorization: Bearer``; a cookie remembers it. None lets everybody in who comes by a name of this server,
            but under a login they send and fetch files only once they have signed in.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = token
        self._needs_login = token is None and uses_login()
        # The cookie proves the token and does not hold it; another token makes it worthless.
        self._cookie = None if token is None else hmac.new(token.encode(), b"cyclelens cookie", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        answer = _refuse_stranger(connection)
        send = _with_policy(send, FOR_STRANGERS if answer else POLICY.format(host=connection.headers["host"]))
        if answer is None and not self._is_known(connection):
            is_asked = self._token is not None and scope["type"] == "http"
            answer = await self._ask(Request(scope, receive)) if is_asked else _deny(SIGN_IN if self._needs_login else ASK)
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the browser sees 403
        else:
            await answer(scope, receive, send)

    def _is_known(self, connection: HTTPConnection) -> bool:
        path = connection.scope["path"]
        if self._token is None:
            return not (self._needs_login and any(part in path for part in SIGNED_IN_ONLY)) or _is_signed_in(connection)
        if path == HEALTH and connection.scope["type"] == "http":
            return True
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given):
            return True
        return _are_equal(connection.cookies.get(_cookie_name(), ""), self._cookie)

    def _is_token(self, given: str) -> bool:
        return _are_equal(given.strip(), self._token)

    async def _ask(self, request: Request) -> Response:
        """Let in whoever shows the token, and back to the same address without it; show the sign-in page to others."""
        given = request.query_params.get("token") if request.method == "GET" else None
        if request.method == "POST":
            given = await _read_form_token(request)
        if given is None and "text/html" not in request.headers.get("accept", ""):
            return _deny()
        if given is None or not self._is_token(given):
            return HTMLResponse(PAGE.substitute(sentence=ASK if given is None else WRONG), 401, {"Cache-Control": "no-store"})
        rest = [(key, value) for key, value in request.query_params.multi_items() if key != "token"]
        answer = RedirectResponse(f"?{urlencode(rest)}", 303, {"Cache-Control": "no-store"})
        is_secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        answer.set_cookie(_cookie_name(), self._cookie, COOKIE_SECONDS, httponly=True, samesite="lax", secure=is_secure)
        return answer


def _refuse_stranger(connection: HTTPConnection) -> Response | None:
    """403 for a request by another name than this server's, or from a page of another place; None for all others.

    Streamlit itself checks only its WebSocket, and asks a server outside for this machine's address while it does.
    """
    host, origin = connection.headers.get("host"), connection.headers.get("origin")
    if not is_host_allowed(host):
        return PlainTextResponse("This server does not go by that name. Its owner can add it with --allow-host NAME.\n", 403)
    if (
        origin is None
        or origin in (f"http://{host}", f"https://{host}")
        or origin in config.get_option("server.corsAllowedOrigins")
    ):
        return None
    return PlainTextResponse("This server answers its own pages only.\n", 403)


def _is_signed_in(connection: HTTPConnection) -> bool:
    """By the cookie that Streamlit signs once the provider has said who somebody is; a forged or old one proves nothing."""
    try:
        signed = _get_signed_cookie_with_chunks(connection.cookies, USER_COOKIE_NAME)
        return signed is not None and json.loads(signed).get("is_logged_in") is True
    except (ValueError, AttributeError):  # not ASCII or no JSON object: nothing that Streamlit wrote
        return False


def _deny(sentence: str = ASK) -> Response:
    return PlainTextResponse(f"{sentence}\n", 401, {"WWW-Authenticate": "Bearer"} if sentence == ASK else None)


async def _read_form_token(request: Request) -> str | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            return None
    return parse_qs(body.decode("utf-8", "replace")).get("token", [None])[0]


def _are_equal(given: str, wanted: str) -> bool:
    """In a time that tells nothing of ``wanted``."""
    digests = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, wanted))
    return hmac.compare_digest(*digests)


def _cookie_name() -> str:
    """Browsers share cookies among the ports of a machine; two servers there may have two tokens."""
    return f"cyclelens_{config.get_option('server.port')}"


def _with_policy(send: Send, policy: str) -> Send:
    async def send_with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
        await send(message)

    return send_with_policy
