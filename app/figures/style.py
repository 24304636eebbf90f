"""What all plotly figures share."""

from __future__ import annotations

PLAIN = {"displayModeBar": False}
# Okabe and Ito's colours, told apart by colour-blind people too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
