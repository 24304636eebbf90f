"""One picture over another with a divider that pointer, touch and arrow keys move; all of it happens in the browser."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import streamlit as st

from pca_core.data import encode_jpeg

_FOLDER = Path(__file__).parent
_HTML = """
<div class="ba-root" data-ready="false">
  <div class="ba-frame">
    <img class="ba-after" alt="" draggable="false"><img class="ba-before" alt="" draggable="false">
    <div class="ba-line" aria-hidden="true"><span></span></div>
    <span class="ba-tag ba-left"></span><span class="ba-tag ba-right"></span>
    <input class="ba-range" type="range" min="0" max="1000" value="500">
  </div>
</div>
"""
_mount = st.components.v2.component(
    "cyclelens_before_after",
    html=_HTML,
    css=(_FOLDER / "before_after.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "before_after.js").read_text(encoding="utf-8"),
)


def before_after(before: np.ndarray, after: np.ndarray, *, names: tuple[str, str] = ("Before", "After"), key: str) -> None:
    """Show two pictures of one size, the first left of the divider and the second right of it.

    Args:
        before, after: (H, W, 3) uint8 RGB.
        names: What to call them.
        key: Streamlit key; where the divider stands is kept as long as it is shown.

    Raises:
        ValueError: When the sizes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"Both pictures must have one size, got {before.shape} and {after.shape}. Resize one of them.")
    pictures = [base64.b64encode(encode_jpeg(picture, 92)).decode() for picture in (before, after)]
    size = {"width": before.shape[1], "height": before.shape[0]}
    _mount(data={"before": pictures[0], "after": pictures[1], "names": list(names), **size}, key=key)
