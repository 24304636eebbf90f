"""Promise 1 at a real server: crafted files are uploaded as a browser would, and it is the same server afterwards."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlparse

import psutil
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.fuzz.crafted import crafted, ordinary
from tests.soak.client import Visitor
from tests.soak.conftest import start

__all__ = ["start"]  # the fixture

REFUSED = (
    "png-12k",
    "png-claims-overflow",
    "png-zero-size",
    "png-text-bomb",
    "png-animation-100",
    "jpeg-claims-65535",
    "jpeg-only-markers",
    "tiff-frames-70",
    "tiff-claims-gigabytes",
    "tiff-strip-beyond",
    "tiff-zero-rows",
    "webp-animation-100",
    "webp-claims-16m",
    "svg",
)


@pytest.mark.slow
def test_crafted_files_leave_the_server_as_it_was(start, tell):
    server, files = start(), crafted()
    process = psutil.Process(server.pid)
    visitor = Visitor(server.address)
    visitor.switch("images")
    visitor.choose("target_from", "My uploads")
    for number, name in enumerate(REFUSED):
        assert f"file{number}x" in hear(visitor, f"file{number}x.png", files[name]), name
    assert "alert" not in hear(visitor, "good.png", ordinary()["png"])  # and it still reads what can be read
    assert "good" in visitor.query
    assert visitor.exceptions == []
    visitor.close()
    assert process.is_running()  # the same one, not another of its number
    ports = {found.laddr.port for found in process.net_connections("tcp") if found.status == psutil.CONN_LISTEN}
    assert urlparse(server.address).port in ports
    with urllib.request.urlopen(f"{server.address}/_stcore/health", timeout=10) as answer:
        assert answer.status == 200
    tell(1, f"{len(REFUSED)} crafted files sent to a real server: each refused in a sentence, same process, healthy")


def hear(visitor: Visitor, name: str, data: bytes) -> str:
    """What the page warns of after an upload."""
    visitor.heard.clear()
    visitor.upload("target_upload_image", "target_add", name, data)
    texts = [str(ForwardMsg.FromString(data)) for data in visitor.heard if len(data) < 2**16]  # no pictures
    return "\n".join(text for text in texts if "alert {" in text)
