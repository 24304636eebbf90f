"""Whether the kernels do on this device what plain torch does: asked once, on a small pair, before they are used."""

from __future__ import annotations

import warnings
from functools import cache

import torch

from pca_core.association.gpu.attention import attend
from pca_core.association.gpu.scan import scan
from pca_core.association.similarity import Direction, make_directions
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
    """Largest difference, relative to one: best scores, normalisers, weighted values.

    Torch answers on the CPU: on the device it may have been allowed to multiply in TF32.
    """
    generator = torch.Generator().manual_seed(0)
    rows, columns, channels = SHAPE
    source, target = (torch.randn(count, channels, generator=generator) for count in (rows, columns))
    directions = make_directions(source, target, "feature")
    there, back = _on_device(directions, device)
    differences = []
    expected_scans = scan_strips(*directions, 2)
    for direction, found, expected in zip(directions, scan(there, back, 2), expected_scans, strict=True):
        chosen_RKD = direction.key_ND[found.index_RK.cpu()]  # scores of what was chosen: ties may be broken otherwise
        differences += [torch.einsum("rd,rkd->rk", direction.query_RD, chosen_RKD) - expected.score_RK]
        differences += [found.score_RK.cpu() - expected.score_RK, found.log_normalizer_R.cpu() - expected.log_normalizer_R]
    forward, _ = directions
    score_RN = (forward.query_RD @ forward.key_ND.T - forward.mean_R[:, None]) * forward.inverse_std_R[:, None]
    differences.append(attend(there, target.to(device)).cpu() - score_RN.softmax(1) @ target)
    return max(difference.abs().max().item() for difference in differences)


def _on_device(directions: tuple[Direction, Direction], device: torch.device) -> tuple[Direction, Direction]:
    """Both ways, their factors still shared."""
    forward, _ = directions
    query_RD, key_ND = forward.query_RD.to(device), forward.key_ND.to(device)
    moments = [[value.to(device) for value in (way.mean_R, way.inverse_std_R, way.offset_R)] for way in directions]
    return Direction(query_RD, key_ND, *moments[0]), Direction(key_ND, query_RD, *moments[1])
