"""A button that copies the address of this page, which leads back to what is shown."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).parent
_HTML = """
<div class="cl-root">
  <button type="button" class="cl-copy"></button>
  <input class="cl-address" type="text" readonly hidden aria-label="Link to this view">
  <span class="cl-said" role="status" aria-live="polite"></span>
</div>
"""
_mount = st.components.v2.component(
    "cyclelens_copy_link",
    html=_HTML,
    css=(_FOLDER / "copy_link.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "copy_link.js").read_text(encoding="utf-8"),
)


def copy_link(*, key: str, note: str = "") -> None:
    """Show the button.

    Args:
        key: Streamlit key.
        note: What the link does not bring back, as plain text, said once it was copied.
    """
    _mount(data={"note": note}, key=key)
