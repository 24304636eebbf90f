"""Whether a net is as often right as it is sure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NUM_BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against accuracy, in :data:`NUM_BINS` bins of equal width from 0 to 1; bin b holds ``[b/10, (b+1)/10)``.

    Attributes:
        count: (B,) int64, labelled pixels.
        confidence: (B,) mean probability of the predicted class, NaN where a bin is empty.
        accuracy: (B,) share predicted right, 0-1, NaN likewise.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error, ``Σ_b n_b/n |accuracy_b − confidence_b|``, 0-1."""
        return float(self._mean(np.abs(self.accuracy - self.confidence)))

    @property
    def mean_confidence(self) -> float:
        """Over the labelled pixels."""
        return self._mean(self.confidence)

    @property
    def mean_accuracy(self) -> float:
        """Over the labelled pixels."""
        return self._mean(self.accuracy)

    def _mean(self, values: np.ndarray) -> float:
        return float(np.nansum(values * self.count) / self.count.sum())


def measure_reliability(confidence: np.ndarray, is_right: np.ndarray) -> Reliability:
    """Sort labelled pixels into bins by how sure the net is.

    Args:
        confidence: (N,) probability of the predicted class, 0-1.
        is_right: (N,) bool.

    Raises:
        ValueError: When there is no pixel.

    Source: Guo, Pleiss, Sun, Weinberger, *On calibration of modern neural networks*, ICML 2017; pixels instead of images.
    """
    if not len(confidence):
        raise ValueError("There is no labelled pixel to hold confidence against. Pass at least one.")
    bins = np.clip((confidence * NUM_BINS).astype(int), 0, NUM_BINS - 1)
    count = np.bincount(bins, minlength=NUM_BINS)
    sums = np.bincount(bins, confidence, NUM_BINS), np.bincount(bins, is_right, NUM_BINS)
    means = [np.divide(total, count, out=np.full(NUM_BINS, np.nan), where=count > 0) for total in sums]
    return Reliability(count, *means)
