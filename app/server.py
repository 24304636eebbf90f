"""The server: ``streamlit run app/server.py [-- --source DIR --target DIR --checkpoint FILE]``, or ``cyclelens app``.

It serves ``main.py`` and begins to warm up before anybody comes; ``streamlit run app/main.py`` works too, then the first
visitor waits for it.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # Streamlit puts app/ on the path, not the checkout
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from app.warmup import PAGES, WARM_UP  # noqa: E402

# Where a page is opened by its own address, Streamlit's browser side first looks for the server below that page: two answers
# "not found" in the console before it looks above. It is told. Our style is there before the first element: nothing jumps.
BASE = "<script>window.__streamlit = {BACKEND_BASE_URL: new URL('./', window.location.href).href}</script>"
STYLE = Path(__file__).with_name("page.css")


@asynccontextmanager
async def warm_up(_: object):
    WARM_UP.start()
    yield {}


def make_document() -> str:
    """Streamlit's own document that also knows where its server is and how our pages look."""
    document = (Path(st.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    return document.replace("</head>", f"{BASE}<style>{STYLE.read_text(encoding='utf-8')}</style></head>", 1)


DOCUMENT = make_document()


async def open_page(_: object) -> HTMLResponse:
    return HTMLResponse(DOCUMENT, headers={"Cache-Control": "no-cache"})


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=warm_up,
    routes=[Route(f"/{name}", open_page) for name in ("", *PAGES)],
)
