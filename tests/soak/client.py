"""A visitor without a browser: speaks Streamlit's own WebSocket protocol, clicks pixels, switches pages, uploads images."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from urllib.parse import parse_qs, urlparse

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileURLsRequest, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

ENDS = (
    ForwardMsg.FINISHED_SUCCESSFULLY,
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
    ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
)
SERIALS = count(1)
MiB = 2**20


class Visitor:
    """One tab: a session of its own, from the connection to :meth:`close`.

    Args:
        address: ``http://host:port`` of the server.
        query: What follows ``?`` of the address that is opened.
        seconds: How long any answer may take.

    Attributes:
        exceptions: Texts of every exception element that came.
        heard: All that was received, as it came, for nonces to be looked for: texts within it are plain UTF-8.
    """

    def __init__(self, address: str, query: str = "", seconds: float = 120) -> None:
        self.address = address
        self.query = query
        self.exceptions: list[str] = []
        self.heard: list[bytes] = []
        self.elements: dict[str, tuple[Element, str]] = {}  # by key: element, fragment
        self._kept: dict[str, WidgetState] = {}
        self._page_hash = ""
        self._pages: dict[str, str] = {}
        self._seconds = seconds
        self._xsrf = _fetch_xsrf(address)
        url = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
        headers = {"Cookie": f"_streamlit_xsrf={self._xsrf}"}
        self._open = ExitStack()
        connection = connect(
            url,
            origin=address,
            additional_headers=headers,
            subprotocols=["streamlit", self._xsrf],
            max_size=256 * MiB,
            max_queue=4,  # whoever does not read lets the connection fill up
            close_timeout=1,
            ping_interval=None,  # browsers send none, and the answer to one would lie behind what is not read
        )
        self._socket = self._open.enter_context(connection)
        self._run()

    def click(self, index: int, side: str = "source", key: str = "trace") -> float:
        """Click a feature pixel of the linked images; returns the seconds until everything that it changes was there."""
        element, fragment = self.elements[key]
        event = {"event": "pixel", "value": {"side": side, "index": index, "serial": next(SERIALS)}}
        trigger = f"$$STREAMLIT_INTERNAL_KEY_{element.bidi_component.id}__events"
        seconds = self._run([WidgetState(id=trigger, json_trigger_value=json.dumps([event]))], fragment)
        assert self.pinned == f"{side}-{index}", f"clicked {side}-{index}, but the address says {self.pinned}"
        return seconds

    def switch(self, page: str) -> float:
        """Go to a page by its name in the address ("" for the first); returns seconds."""
        self._page_hash = self._pages[page]
        return self._run()

    @property
    def pinned(self) -> str | None:
        return parse_qs(self.query).get("pixel", [None])[0]

    def choose(self, key: str, option: str) -> None:
        """Press one of the options of a segmented control."""
        state = WidgetState(id=self._find(key).button_group.id)
        state.string_array_value.data.append(option)
        self._kept[state.id] = state
        self._run()

    def upload(self, field: str, button: str, name: str, data: bytes) -> None:
        """Put a file into the uploader whose key begins so, and press a button."""
        state = WidgetState(id=self._find(field).file_uploader.id)
        self._kept[state.id] = state
        state.file_uploader_state_value.uploaded_file_info.append(self.put(name, data))
        self._run([WidgetState(id=self._find(button).button.id, trigger_value=True)])

    def put(self, name: str, data: bytes, xsrf: str | None = None) -> UploadedFileInfo:
        """Send a file that the page may be told of later, with the secret of this browser or another one."""
        self._socket.send(BackMsg(file_urls_request=FileURLsRequest(request_id="1", file_names=[name])).SerializeToString())
        urls = self._wait_for("file_urls_response").file_urls_response.file_urls[0]
        _put(self.address, urls.upload_url, name, data, self._xsrf, self._xsrf if xsrf is None else xsrf)
        return UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)

    def close(self) -> None:
        self._open.close()

    def ask_for_run(self) -> None:
        """Send a rerun and read nothing of what it brings."""
        self._send([], "")

    def _find(self, key: str) -> Element:
        return next(element for name, (element, _) in self.elements.items() if name.startswith(key))

    def _run(self, widgets: list[WidgetState] | None = None, fragment: str = "") -> float:
        started = time.monotonic()
        self._send(widgets or [], fragment)
        while (message := self._receive()).WhichOneof("type") != "script_finished" or message.script_finished not in ENDS:
            pass
        return time.monotonic() - started

    def _send(self, widgets: list[WidgetState], fragment: str) -> None:
        state = ClientState(query_string=self.query, page_script_hash=self._page_hash, fragment_id=fragment)
        state.widget_states.widgets.extend([*self._kept.values(), *widgets])
        state.context_info.timezone = "UTC"
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())

    def _wait_for(self, kind: str) -> ForwardMsg:
        while (message := self._receive()).WhichOneof("type") != kind:
            pass
        return message

    def _receive(self) -> ForwardMsg:
        data = self._socket.recv(self._seconds)
        message = ForwardMsg()
        message.ParseFromString(data)
        kind = message.WhichOneof("type")
        if kind == "delta":
            self._take(message)
        elif kind == "navigation":
            pages = message.navigation.app_pages
            self._pages = {"" if page.is_default else page.url_pathname: page.page_script_hash for page in pages}
            self._page_hash = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        self.heard.append(data)
        return message

    def _take(self, message: ForwardMsg) -> None:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.exceptions.append(f"{element.exception.type}: {element.exception.message}")
        elif kind in ("bidi_component", "file_uploader", "button", "button_group"):
            key = getattr(element, kind).id.split("-", 2)[-1]  # $$ID-hash-key
            self.elements[key] = (element, message.delta.fragment_id)


def _fetch_xsrf(address: str) -> str:
    connection = HTTPConnection(urlparse(address).netloc, timeout=30)
    connection.request("GET", "/_stcore/health")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["set-cookie"].partition("=")[2].partition(";")[0]


def _put(address: str, path: str, name: str, data: bytes, cookie: str, xsrf: str) -> None:
    connection = HTTPConnection(urlparse(address).netloc, timeout=30)
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + b"\r\n--b--\r\n"
    headers = {
        "Content-Type": "multipart/form-data; boundary=b",
        "X-Xsrftoken": xsrf,
        "Cookie": f"_streamlit_xsrf={cookie}",
        "Origin": address,
    }
    connection.request("PUT", path, body, headers)
    answer = connection.getresponse()
    assert answer.status < 300, f"{answer.status} {answer.read()[:200]}"
    connection.close()
