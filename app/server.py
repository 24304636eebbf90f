"""The server: ``streamlit run app/server.py [-- --source DIR --target DIR --checkpoint FILE]``, or ``cyclelens app``.

It serves ``main.py`` behind its :class:`~app.gate.Gate` and begins to warm up before anybody comes; ``streamlit run app/main.py``
works too, then the first visitor waits for it and there is no gate.
"""

from __future__ import annotations

import json
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

HERE = Path(__file__).parent
LATER_MODULES = ("PlotlyChart", "DataFrame", "FileUploader")
"""Of Streamlit's browser side, megabytes that the first page does without; fetched once it is painted."""


@asynccontextmanager
async def warm_up(_: object):
    WARM_UP.start()
    if st.get_option("logger.hideWelcomeMessage"):  # Streamlit's comes before anything is checked
        print(f"CycleLens: {entrance.describe_place()}", flush=True)
    yield {}


def make_document() -> str:
    """Streamlit's own document with our script, and with our style before the first element is there: nothing jumps."""
    script, style = ((HERE / name).read_text(encoding="utf-8") for name in ("document.js", "page.css"))
    static = Path(st.__file__).parent / "static"
    modules = [path.name for name in LATER_MODULES for path in sorted((static / "static" / "js").glob(f"{name}.*.js"))]
    script = f"window.laterModules = {json.dumps(modules)};\n{script}"
    document = (static / "index.html").read_text(encoding="utf-8")
    return document.replace("</head>", f"<script>{script}</script><style>{style}</style></head>", 1)


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
    HERE / "main.py",
    lifespan=warm_up,
    routes=[Route(f"/{name}", open_page) for name in ("", *PAGES)],
    middleware=[make_gate()],
)
