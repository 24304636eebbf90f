"""A loss ledger read under weights: the entries, who pays, and how the gradient spreads. Plain numbers, cheap to ask for anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pca_core.analysis.loss_ledger import ASSOCIATIONS, TERMS, LossLedger
from pca_core.losses import LossWeights
from pca_core.types import IGNORE_INDEX, Domain

PICKS: dict[str, tuple[str, ...]] = {
    "all": tuple(TERMS),
    "associations": ASSOCIATIONS,
    **{name: (name,) for name in TERMS},
}
"""What can be looked at together: the whole objective, both associations, each term."""
CURVE_POINTS = 200


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        name: Of the term.
        value, weight, weighted: ``weighted = weight · value``.
        share: Of the objective, signed: smoothing is negative. None when the objective is zero.
        num_paying: Pixels that the term counts.
    """

    name: str
    value: float
    weight: float
    weighted: float
    share: float | None
    num_paying: int


@dataclass(frozen=True, eq=False)
class Reading:
    """Some terms of a ledger under weights, pixel by pixel.

    Attributes:
        paid: (h, w) float64 of each image, the weighted shares; the sum over both images is ``total``.
        gradient: (h, w) float64 of each image, norm of the weighted gradient that reaches each feature.
        total: Weighted sum of the terms.
    """

    paid: dict[Domain, np.ndarray]
    gradient: dict[Domain, np.ndarray]
    total: float

    def average(self, side: Domain) -> float:
        """Mean gradient norm of the pixels of an image."""
        return float(self.gradient[side].mean())

    @property
    def payer(self) -> Domain:
        """The image whose pixels pay: the source, unless only smoothing of the target is left."""
        return "target" if self.paid["target"].any() and not self.paid["source"].any() else "source"

    def times_even_share(self, side: Domain) -> np.ndarray | None:
        """(h, w): what each pixel pays as a multiple of what it would if all of its image paid alike; None where nobody pays."""
        even = float(self.paid[side].mean())
        return self.paid[side] / even if even else None


@dataclass(frozen=True)
class Reach:
    """How a gradient spreads over the pixels of an image.

    Attributes:
        touched: Share of pixels with any gradient, 0-1.
        at_even: Share of pixels with at least ``even`` of it, 0-1.
        total: Sum of the norms.
        median, maximum: As multiples of ``even``.
    """

    touched: float
    at_even: float
    total: float
    median: float
    maximum: float


@dataclass(frozen=True)
class PixelEntry:
    """What one term means to one pixel.

    Attributes:
        name: Of the term, or ``"all"``.
        paid: What the pixel pays of it, in even shares of the whole objective, ``|L| / pixels``; negative where it lowers the
            objective, as only smoothing can. The terms add up to ``"all"``. None when the objective is zero.
        times_even: The same as a multiple of an even share of the term; None where no pixel of this image pays it.
        gradient: Norm of the weighted gradient that reaches it, as a multiple of the mean over this image of the whole
            objective's without aggregation: one unit for all terms.
    """

    name: str
    paid: float | None
    times_even: float | None
    gradient: float


def weigh(ledger: LossLedger, weights: LossWeights) -> list[Entry]:
    """The ledger line by line, as :func:`pca_core.losses.total_loss` adds it up."""
    total = read_ledger(ledger, weights, tuple(TERMS)).total
    entries = []
    for name, term in ledger.terms.items():
        weight = getattr(weights, name)
        share = weight * term.value / total if total else None
        entries.append(Entry(name, term.value, weight, weight * term.value, share, term.num_paying))
    return entries


def read_ledger(ledger: LossLedger, weights: LossWeights, names: Sequence[str]) -> Reading:
    """Look at some terms together.

    Args:
        ledger: From :func:`~pca_core.analysis.loss_ledger.write_ledger`.
        weights: Of the terms.
        names: Of the terms, e.g. a value of :data:`PICKS`.
    """
    picked = {name: value for name, value in asdict(weights).items() if name in names}
    paid: dict[Domain, np.ndarray] = {
        side: np.zeros(gradients.products.shape[:2]) for side, gradients in ledger.gradients.items()
    }
    for name in names:
        term = ledger.terms[name]
        paid[term.side] += picked[name] * term.shares
    gradient = {side: gradients.norms(picked) for side, gradients in ledger.gradients.items()}
    return Reading(paid, gradient, sum(picked[name] * ledger.terms[name].value for name in names))


def measure_reach(norms: np.ndarray, even: float) -> Reach:
    """Tell how gradient norms spread; ``even`` is what a pixel is held against, e.g. the mean without aggregation."""
    times = in_units(norms, even)
    return Reach(
        float((norms > 0).mean()),
        float((times >= 1).mean()) if even else 0.0,
        float(norms.sum()),
        float(np.median(times)),
        float(times.max()),
    )


def in_units(norms: np.ndarray, even: float) -> np.ndarray:
    """The norms as multiples of ``even``; as they are where that is zero."""
    return norms / (even or 1.0)


def find_ceiling(*maps: np.ndarray) -> float:
    """What 99.5 % of the pixels of every map stay below, for a scale that a few do not spoil; the maximum where that is zero."""
    return max(float(np.percentile(one, 99.5)) for one in maps) or max(float(one.max()) for one in maps)


def sort_norms(norms: np.ndarray, even: float) -> tuple[np.ndarray, np.ndarray]:
    """The norms from large to small as a curve: shares of pixels (0-1), and what the last of these has at least, in ``even``."""
    ordered = in_units(np.sort(norms.ravel())[::-1], even)
    rank = np.unique(np.geomspace(1, ordered.size, CURVE_POINTS).round().astype(int)) - 1
    rank = np.union1d(rank, np.linspace(0, ordered.size - 1, CURVE_POINTS).round().astype(int))
    return (rank + 1) / ordered.size, ordered[rank]


def compare_norms(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(h, w): ``log2(now / before)``; 0 where both are zero, infinite where one is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(now == before, 0.0, np.log2(now / before))


def sum_by_class(values: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,): share of the sum of a map that each class holds, NaN where the class does not occur; all NaN for a sum of zero.

    Args:
        values: (h, w).
        classes: (h, w) class indices, 255 where there is none: what such pixels hold is in the sum, but in no class.
        num_classes: K.
    """
    is_named = classes.ravel() != IGNORE_INDEX
    ids = classes.ravel()[is_named].astype(int)
    held = np.bincount(ids, values.ravel()[is_named], minlength=num_classes)
    occurs = np.bincount(ids, minlength=num_classes) > 0
    total = values.sum()
    return np.where(occurs, held / total, np.nan) if total else np.full(num_classes, np.nan)


def top_pixels(paid: np.ndarray, count: int) -> list[tuple[int, float]]:
    """(flat index, what it pays) of the pixels that pay most, by size: smoothing is paid in negative numbers."""
    size = np.abs(paid).ravel()
    order = np.argsort(-size, kind="stable")[:count]
    return [(int(index), float(paid.flat[index])) for index in order if size[index] > 0]


def measure_concentration(paid: np.ndarray, share: float = 0.1) -> float:
    """What the ``share`` of pixels that pay most pays of all, 0-1, by size; 0 where nobody pays."""
    size = np.sort(np.abs(paid).ravel())[::-1]
    total = size.sum()
    return float(size[: max(1, round(share * size.size))].sum() / total) if total else 0.0


def describe_pixel(ledger: LossLedger, plain: LossLedger, weights: LossWeights, side: Domain, index: int) -> list[PixelEntry]:
    """What each term that concerns an image means to one of its pixels, and all of them together last.

    Args:
        ledger: What is asked about.
        plain: The same pair without aggregation, whose gradient is the unit.
        weights: Of the terms.
        side, index: The pixel, row-major in the grid of its image.
    """
    unit = read_ledger(plain, weights, PICKS["all"]).average(side)
    whole = read_ledger(ledger, weights, PICKS["all"])
    concerned = [name for name in TERMS if TERMS[name] == side or name in ledger.gradients[side].terms]
    entries = []
    for name in [*concerned, "all"]:
        reading = read_ledger(ledger, weights, PICKS[name])
        paid = float(reading.paid[side].flat[index])
        times = reading.times_even_share(side)
        entries.append(
            PixelEntry(
                name,
                paid * reading.paid[side].size / abs(whole.total) if whole.total else None,
                None if times is None else float(times.flat[index]),
                float(in_units(reading.gradient[side].flat[index], unit)),
            )
        )
    return entries
