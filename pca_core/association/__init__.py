"""Pixel-level cycle association, exact on any device, in O(N·C) memory."""

from pca_core.association.aggregation import aggregate, aggregation_row
from pca_core.association.cycle import AssociationConfig, associate
from pca_core.association.describe import describe_trace
from pca_core.association.explain import explain_pixel
from pca_core.association.pair import PairAnalysis
from pca_core.association.precision import measure_agreement
from pca_core.association.statistics import PairStatistics, row_shares, suggest_pixel, summarise
from pca_core.association.tiled import warm_up

__all__ = [
    "AssociationConfig",
    "PairAnalysis",
    "PairStatistics",
    "aggregate",
    "aggregation_row",
    "associate",
    "describe_trace",
    "explain_pixel",
    "measure_agreement",
    "row_shares",
    "suggest_pixel",
    "summarise",
    "warm_up",
]
