"""Association of many pairs: read from disk one after the other, kept line by line, resumed, shared among processes."""

from pca_core.many.pair_list import PAIRINGS, ImageFile, Pairs, pair_datasets, read_pair_list
from pca_core.many.results import PairResults
from pca_core.many.sweep import PairOptions, associate_pairs

__all__ = [
    "PAIRINGS",
    "ImageFile",
    "PairOptions",
    "PairResults",
    "Pairs",
    "associate_pairs",
    "pair_datasets",
    "read_pair_list",
]
