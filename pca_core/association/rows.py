"""One row of a direction: what a single pixel of one side thinks of every pixel of the other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pca_core.association.similarity import Direction


@dataclass(frozen=True)
class Row:
    """A pixel's similarity, normalised score and log-probability for each of N pixels, (N,) each."""

    similarity_N: Tensor
    normalised_N: Tensor
    log_probability_N: Tensor

    def margin(self) -> float:
        """Similarity of the first less that of the second choice; infinite when N = 1."""
        if len(self.similarity_N) < 2:
            return float("inf")
        first, second = self.similarity_N.topk(2).values.tolist()
        return first - second


def make_row(direction: Direction, index: int) -> Row:
    """The row of pixel ``index``: O(N·C), whatever the other pixels are."""
    score_N = direction.key_ND @ direction.query_RD[index]
    normalised_N = (score_N - direction.mean_R[index]) * direction.inverse_std_R[index]
    return Row(score_N + direction.offset_R[index], normalised_N, normalised_N.log_softmax(0))
