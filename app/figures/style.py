"""What all plotly figures share."""

from __future__ import annotations

from pca_core.render import OKABE_ITO

PLAIN = {"displayModeBar": False}
COLOURS = OKABE_ITO
