"""Requests as they are sent, with whatever headers; nothing is followed or remembered."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import urlparse

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamlit",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: str


def ask(address: str, path: str, headers: dict[str, str] | None = None, form: str | None = None) -> Answer:
    """GET, or POST a form."""
    connection = HTTPConnection(urlparse(address).netloc, timeout=30)
    content = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("GET" if form is None else "POST", path, form, {**content, **(headers or {})})
        answer = connection.getresponse()
        is_open = answer.status == 101  # a WebSocket, which has no end
        return Answer(answer.status, answer.headers, "" if is_open else answer.read().decode("utf-8", "replace"))
    finally:
        connection.close()


def ask_socket(address: str, headers: dict[str, str] | None = None) -> Answer:
    """Knock at Streamlit's WebSocket: status 101 when it opens."""
    return ask(address, "/_stcore/stream", {**UPGRADE, **(headers or {})})
