"""Before and after: two nets, and their controls, on the same images."""

from pca_core.comparison.card import pack_net, write_card
from pca_core.comparison.pairs import PairComparison, TraceComparison, compare_pair, compare_trace
from pca_core.comparison.predictions import OUTCOMES, ImageComparison, compare_image, overlay_outcome
from pca_core.comparison.report import Report, write_report
from pca_core.comparison.scores import NetScore, compare_nets, to_csv

__all__ = [
    "OUTCOMES",
    "ImageComparison",
    "NetScore",
    "PairComparison",
    "Report",
    "TraceComparison",
    "compare_image",
    "compare_nets",
    "compare_pair",
    "compare_trace",
    "overlay_outcome",
    "pack_net",
    "to_csv",
    "write_card",
    "write_report",
]
