"""Association on a GPU: both directions from one product, whose tiles never reach memory."""

from __future__ import annotations

import torch
from torch import Tensor

from pca_core.association.gpu.kernels import scan_tiles
from pca_core.association.gpu.launch import Blocks, as_factor, choose_arithmetic, choose_blocks, launch
from pca_core.association.similarity import LOG2_E, Direction
from pca_core.association.strips import Scan
from pca_core.memory import fit_tile

TILES_DOWN = 64  # of a band: what its tiles know of their columns is kept until the band is done
MAX_TOP_K = 8  # a look at every tile each


def scan(
    forward: Direction,
    backward: Direction | None,
    top_k: int,
    tile_rows: int | None = None,
    blocks: Blocks | None = None,
) -> tuple[Scan, Scan | None]:
    """What :func:`pca_core.association.strips.scan_strips` does, for float32 and ``top_k`` to :data:`MAX_TOP_K`.

    Of equal scores the first column, or row, wins. Extra memory is ``64 · 12`` bytes a column and, in a band of 8,192 rows,
    ``(8 k + 4) / 128`` bytes a score: O(N).
    """
    blocks = blocks or choose_blocks(forward.query_RD.device)
    band = -(-fit_tile(tile_rows or TILES_DOWN * blocks.rows) // blocks.rows) * blocks.rows
    query_RD, key_ND = (as_factor(side, forward.precision) for side in (forward.query_RD, forward.key_ND))
    columns = None if backward is None else _Columns(backward)
    parts = []
    for start in range(0, len(query_RD), band):
        rows = slice(start, min(start + band, len(query_RD)))
        of_tiles = _scan_band(forward, query_RD, key_ND, rows, columns, top_k, blocks)
        parts.append(_best_of_tiles(*of_tiles))
    index_RK, score_RK, sum_R = (torch.cat(part) for part in zip(*parts, strict=True))
    return Scan(index_RK, score_RK, sum_R.log()), columns and columns.scan()


def _scan_band(
    forward: Direction, query_RD: Tensor, key_ND: Tensor, rows: slice, columns: _Columns | None, top_k: int, blocks: Blocks
) -> tuple[Tensor, Tensor, Tensor]:
    """Launch one band; what its tiles know of its rows: scores and indices (tiles · k, rows), sums (tiles, rows)."""
    num_rows, num_columns = rows.stop - rows.start, len(key_ND)
    down, across = blocks.count_tiles(num_rows, num_columns)
    new = forward.mean_R.new_empty
    of_rows = new(across * top_k, num_rows), new(across * top_k, num_rows, dtype=torch.int32), new(across, num_rows)
    of_columns = of_rows if columns is None else columns.make_room(down)  # anything will do where nothing is written
    moments = forward if columns is None else columns.direction
    launch(
        scan_tiles,
        blocks,
        num_rows,
        num_columns,
        query_RD[rows],
        key_ND,
        forward.mean_R[rows],
        forward.inverse_std_R[rows] * LOG2_E,
        moments.mean_R,
        moments.inverse_std_R * LOG2_E,
        *of_rows,
        *of_columns,
        num_rows,
        num_columns,
        query_RD.size(1),
        TOP_K=top_k,
        BOTH=columns is not None,
        PRECISION=choose_arithmetic(forward.precision, query_RD.device),
    )
    if columns is not None:
        columns.add(rows.start, *of_columns)
    return *of_rows, top_k


def _best_of_tiles(score_PR: Tensor, index_PR: Tensor, sum_PR: Tensor, top_k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k best of all tiles, best first: (R, k) each, and the softmax sum (R,). ``max`` takes the first of equals."""
    scores, indices = [], []
    for rank in range(top_k):
        score_R, place_R = score_PR.max(0)
        scores.append(score_R)
        indices.append(index_PR.gather(0, place_R[None])[0])
        if rank + 1 < top_k:
            score_PR.scatter_(0, place_R[None], -torch.inf)
    return torch.stack(indices, 1).long(), torch.stack(scores, 1), sum_PR.sum(0)


class _Columns:
    """What the columns keep of the bands that pass by: best row, its score, softmax sum."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self._score_N = torch.full_like(direction.mean_R, -torch.inf)
        self._index_N = torch.zeros_like(direction.mean_R, dtype=torch.long)
        self._sum_N = torch.zeros_like(direction.mean_R)

    def make_room(self, tiles_down: int) -> tuple[Tensor, Tensor, Tensor]:
        score_PN = self._score_N.new_empty(tiles_down, len(self._score_N))
        return score_PN, torch.empty_like(score_PN, dtype=torch.int32), torch.empty_like(score_PN)

    def add(self, first_row: int, score_PN: Tensor, index_PN: Tensor, sum_PN: Tensor) -> None:
        score_N, place_N = score_PN.max(0)
        is_better_N = score_N > self._score_N  # of equals the earlier row stays
        index_N = index_PN.gather(0, place_N[None])[0].long() + first_row
        self._index_N = torch.where(is_better_N, index_N, self._index_N)
        self._score_N = torch.where(is_better_N, score_N, self._score_N)
        self._sum_N += sum_PN.sum(0)

    def scan(self) -> Scan:
        return Scan(self._index_N[:, None], self._score_N[:, None], self._sum_N.log())
