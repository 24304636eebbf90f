"""The server: ``streamlit run app/server.py [-- --source DIR --target DIR --checkpoint FILE]``, or ``cyclelens app``.

It serves ``main.py`` behind its :class:`~app.gate.Gate` and begins to warm up before anybody comes; ``streamlit run app/main.py``
works too, then the first visitor waits for it and there is no gate.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # Streamlit puts app/ on the path, not the checkout
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from app import entrance  # noqa: E402
from app.access import AccessError  # noqa: E402
from app.gate import Gate  # noqa: E402
from app.warmup import PAGES, WARM_UP  # noqa: E402

# Where a page is opened by its own address, Streamlit's browser side first looks for the server below that page: two answers
# "not found" in the console before it looks above. It is told. Our style is there before the first element: nothing jumps.
BASE = "<script>window.__streamlit = {BACKEND_BASE_URL: new URL('./', window.location.href).href}</script>"
STYLE = Path(__file__).with_name("page.css")


@asynccontextmanager
async def warm_up(_: object):
    WARM_UP.start()
    if st.get_option("logger.hideWelcomeMessage"):  # Streamlit's comes before anything is checked
        print(f"CycleLens: {entrance.describe_place()}", flush=True)
    yield {}


def make_document() -> str:
    """Streamlit's own document that also knows where its server is and how our pages look."""
    document = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    return document.replace("</head>", f"{BASE}<style>{STYLE.read_text(encoding='utf-8')}</style></head>", 1)


DOCUMENT = make_document()


async def open_page(_: object) -> HTMLResponse:
    return HTMLResponse(DOCUMENT, headers={"Cache-Control": "no-cache"})


def make_gate() -> Middleware:
    """Exit with one sentence and status 2 when the server was told to listen where it must not."""
    try:
        return Middleware(Gate, token=entrance.open_server())
    except AccessError as error:
        print(f"cyclelens: {error} [{error.code}]", file=sys.stderr)
        raise SystemExit(2) from None


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=warm_up,
    routes=[Route(f"/{name}", open_page) for name in ("", *PAGES)],
    middleware=[make_gate()],
)
