"""Open one page of the app without a browser."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

SECONDS = 120
"""Limit of one run on a busy machine."""


def open_page(name: str, **told: str) -> AppTest:
    """Run the page ``app/views/<name>.py`` in a session of its own, with ``told`` as its address."""

    def script(name: str) -> None:
        import importlib

        import streamlit as st

        from app.state import session

        views = {one: importlib.import_module(f"app.views.{one}") for one in ("images", "trace", "adapt", name)}
        session.start({one: st.Page(view.render, title=one, url_path=one) for one, view in views.items()})
        views[name].render()

    app = AppTest.from_function(script, default_timeout=SECONDS, args=(name,))
    for key, value in told.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def change(app: AppTest, label: str) -> str:
    """The change beside a number."""
    return next(item.delta for item in app.metric if item.label == label)
