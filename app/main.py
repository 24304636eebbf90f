"""The app's only entry: ``streamlit run app/main.py [-- --source DIR --target DIR --checkpoint FILE]``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # Streamlit puts app/ on the path, not the checkout
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app.state import features as features_state  # noqa: E402
from app.state import session  # noqa: E402
from app.views import adapt, aggregation, associations, compare, features, images, losses, segmentation, trace  # noqa: E402

PAGES = {
    "images": st.Page(images.render, title="Images", url_path="images"),
    "trace": st.Page(trace.render, title="Trace", url_path="trace", default=True),
    "associations": st.Page(associations.render, title="Associations", url_path="associations"),
    "aggregation": st.Page(aggregation.render, title="Aggregation", url_path="aggregation"),
    "segmentation": st.Page(segmentation.render, title="Segmentation", url_path="segmentation"),
    "features": st.Page(features.render, title="Features", url_path="features"),
    "losses": st.Page(losses.render, title="Losses", url_path="losses"),
    "adapt": st.Page(adapt.render, title="Adapt", url_path="adapt"),
    "compare": st.Page(compare.render, title="Compare", url_path="compare"),
}
# The pictures are the page: less air above them than Streamlit leaves.
STYLE = (
    "<style>.stMainBlockContainer {padding-top: 4.2rem; padding-bottom: 2rem; max-width: 1680px;}"
    # Beside the last line of the linked images, which is short.
    "[class*=st-key-tools_] {margin-top: -2.7rem; pointer-events: none;} [class*=st-key-tools_] > * {pointer-events: auto;}"
    "</style>"
)

st.set_page_config(page_title="CycleLens", page_icon=str(ROOT / "assets" / "icon.svg"), layout="wide")
session.start(PAGES)
st.html(STYLE)
st.logo(str(ROOT / "assets" / "logo.svg"), size="large")
st.navigation(list(PAGES.values()), position="top").run()
features_state.preload()
