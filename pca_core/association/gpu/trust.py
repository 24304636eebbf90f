"""Whether the kernels do on this device what plain torch does: asked once, on a small pair, before they are used."""

from __future__ import annotations

import warnings
from functools import cache

import torch

from pca_core.association.gpu.attention import attend
from pca_core.association.gpu.scan import scan
from pca_core.association.similarity import make_directions
from pca_core.association.strips import scan_strips

SHAPE = (300, 200, 96)  # source pixels, target pixels, channels: more than a tile, and no multiple of one


@cache
def is_trusted(device: torch.device) -> bool:
    """False, with one warning, where Triton cannot compile here or the answers differ."""
    try:
        worst = _compare(device)
    except Exception as error:  # no C compiler, too old a card, too new a Triton: slower, not different
        warnings.warn(f"Triton kernels do not run on {device} ({error}); plain torch is used instead.", stacklevel=2)
        return False
    if not worst < 1e-4:
        warnings.warn(f"Triton kernels differ from torch by {worst:.1e} on {device}; plain torch is used instead.", stacklevel=2)
        return False
    return True


def _compare(device: torch.device) -> float:
    """Largest difference, relative to one: best scores, normalisers, weighted values."""
    generator = torch.Generator().manual_seed(0)
    rows, columns, channels = SHAPE
    source, target = (torch.randn(count, channels, generator=generator).to(device) for count in (rows, columns))
    forward, backward = make_directions(source, target, "feature")
    differences = []
    for got, expected in zip(scan(forward, backward, 2), scan_strips(forward, backward, 2), strict=True):
        chosen_RK = torch.einsum("rd,rkd->rk", *_chosen(forward if len(got.index_RK) == rows else backward, got.index_RK))
        differences += [got.score_RK - expected.score_RK, chosen_RK - expected.score_RK]
        differences.append(got.log_normalizer_R - expected.log_normalizer_R)
    score = (forward.query_RD @ forward.key_ND.T - forward.mean_R[:, None]) * forward.inverse_std_R[:, None]
    differences.append(attend(forward, target) - score.softmax(1) @ target)
    return max(difference.abs().max().item() for difference in differences)


def _chosen(direction, index_RK):
    return direction.query_RD, direction.key_ND[index_RK]
