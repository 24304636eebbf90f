"""Arrays of a view as NPZ."""

from __future__ import annotations

import numpy as np

from pca_core.association import explain_pixel
from pca_core.association.traces import PixelTrace
from pca_core.export.association import write_npz
from pca_core.figures.view import View


def trace_arrays(view: View) -> bytes:
    """NPZ with the maps of the pixel in question; names as in :class:`~pca_core.association.traces.PixelTrace`."""
    side, index = view.pixel
    trace = explain_pixel(view.analysis, index, side)
    arrays = {"similarity_map": trace.similarity_map, "aggregation_map": trace.aggregation_map}
    if isinstance(trace, PixelTrace):
        soft = np.nan if trace.soft_cycle is None else trace.soft_cycle
        arrays |= {"probability_map": trace.probability_map, "return_map": trace.return_map, "soft_cycle": np.array(soft)}
    return write_npz({"side": np.array(side), "index": np.array(index), **arrays})


def class_arrays(view: View) -> bytes:
    """NPZ with labels and predictions at the resolution of the features: (h, w) uint8 class indices and 255."""
    pair = view.analysis.pair
    maps = {
        "source_labels": pair.source_labels,
        "target_labels": pair.target_labels,
        "source_prediction": pair.source_prediction,
        "target_prediction": pair.target_prediction,
    }
    known = {name: one.cpu().numpy().astype(np.uint8) for name, one in maps.items() if one is not None}
    return write_npz({"class_names": np.array(view.label_space.class_names), **known})
