"""What pixels pay of the loss, and how far its gradient reaches."""

from __future__ import annotations

from dataclasses import astuple, fields

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.embedding import pair_classes
from pca_core.analysis.loss_readings import (
    PICKS,
    Reach,
    Reading,
    find_ceiling,
    in_units,
    measure_reach,
    read_ledger,
    sort_norms,
    sum_by_class,
    weigh,
)
from pca_core.analysis.spreading import reference_alpha
from pca_core.figures.data import FigureData, Table
from pca_core.figures.drawing import lay_values, show_image
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.figures.view import View
from pca_core.losses.names import within_sentence
from pca_core.types import Domain

WAYS = ("with", "without")  # aggregation, in the order of View.ledgers


def _read(view: View) -> tuple[Reading, Reading]:
    """The terms in question with aggregation and without."""
    first, second = (read_ledger(one, view.switches.weights, PICKS[view.switches.loss]) for one in view.ledgers)
    return first, second


def draw_losses(view: View) -> Figure:
    """What each source pixel pays, and the gradient at each target pixel without and with aggregation."""
    (with_alpha, without), alpha = _read(view), reference_alpha(view.analysis.config)
    even = without.average("target")
    norms = [in_units(one.gradient["target"], even) for one in (without, with_alpha)]
    reach = [measure_reach(one.gradient["target"], even) for one in (without, with_alpha)]
    paid = with_alpha.paid["source"]
    caption = (
        f"Loss: {_say(view)}, {with_alpha.total:.4g} in all. Gradient norms at the features of the target, as multiples of "
        f"their mean without aggregation: {reach[0].at_even:.1%} of pixels have at least that without aggregation, "
        f"{reach[1].at_even:.1%} with α = {alpha:g}."
    )
    width = WIDTHS["double"]
    figure = new_figure(width, image_height(width, 3, view.source.image, view.target.image) + 0.6, caption)
    pays, off, on = figure.subplots(1, 3)
    show_image(pays, view.source.image, "Source: what each pixel pays")
    times = with_alpha.times_even_share("source")
    shown = np.zeros_like(paid) if times is None else times
    lay_values(pays, view.source.image, shown, "× the mean payment", limits=_limits(shown))
    ceiling = find_ceiling(*norms) or 1.0
    for axes, title, values in ((off, "no aggregation", norms[0]), (on, f"α = {alpha:g}", norms[1])):
        show_image(axes, view.target.image, f"Target: gradient, {title}")
        lay_values(axes, view.target.image, values, "× mean without aggregation", limits=(ceiling / 300, ceiling), is_log=True)
    return figure


def losses_data(view: View) -> FigureData:
    """The ledger pixel by pixel, before weights; payment and gradient of the terms in question under theirs."""
    readings = dict(zip(WAYS, _read(view), strict=True))
    arrays = {
        f"{name}_{way}": term.shares
        for way, ledger in zip(WAYS, view.ledgers, strict=True)
        for name, term in ledger.terms.items()
    }
    for way, one in readings.items():
        arrays |= {f"{side}_paid_{way}": values for side, values in one.paid.items()}
        arrays |= {f"{side}_gradient_{way}": values for side, values in one.gradient.items()}
    rows = []
    for way, ledger in zip(WAYS, view.ledgers, strict=True):
        for side in ("source", "target"):
            reach = measure_reach(readings[way].gradient[side], readings["without"].average(side))
            rows.append((ledger.alpha, side, float(readings[way].paid[side].sum()), *astuple(reach)))
    names = ("alpha", "image", "paid", *(f"gradient_{one.name}" for one in fields(Reach)))
    return FigureData(
        f"each pixel's share of every term before weights, (h, w), of target_smoothing (h', w'), with aggregation and without; "
        f"of {_say(view)} under the weights: what the pixels of both images pay, and the gradient norms at their features",
        arrays,
        {
            "losses": Table(
                "an image under an α: what its pixels pay, and how the gradient spreads (shares 0-1; median and maximum × the "
                "mean without aggregation)",
                dict(zip(names, zip(*rows, strict=True), strict=True)),
            )
        },
    )


def _limits(paid: np.ndarray) -> tuple[float, float]:
    """Smoothing is paid in negative numbers; a few pixels may not spoil the scale."""
    low, high = float(min(paid.min(), 0.0)), float(np.percentile(paid, 99.5))
    return low, high if high > low else low + 1e-12


def _say(view: View) -> str:
    pick = view.switches.loss
    return "all terms" if pick == "all" else ", ".join(within_sentence(name) for name in PICKS[pick])


def draw_ledger(view: View) -> Figure:
    """The terms of the objective as bars, and how the gradient spreads over the target."""
    (with_alpha, without), alpha = _read(view), reference_alpha(view.analysis.config)
    entries = weigh(view.ledgers[0], view.switches.weights)
    total = sum(entry.weighted for entry in entries)
    caption = (
        f"Left: weight times value of each term; the objective is {total:.4g}. Right: gradient norms at the target's features "
        f"({_say(view)}), sorted, as multiples of their mean without aggregation."
    )
    figure = new_figure(WIDTHS["double"], 2.3, caption)
    bars, curve = figure.subplots(1, 2)
    bars.barh([within_sentence(entry.name) for entry in entries], [entry.weighted for entry in entries], color=COLOURS[0])
    for place, entry in enumerate(entries):
        bars.annotate(f" {entry.weighted:.3g}", (max(entry.weighted, 0), place), va="center", fontsize=6)
    bars.margins(x=0.16)
    bars.tick_params(axis="y", labelsize=6)
    bars.invert_yaxis()
    bars.set_xlabel("weight × value")
    even = without.average("target")
    for colour, (name, one) in zip(COLOURS, ((f"α = {alpha:g}", with_alpha), ("no aggregation", without)), strict=False):
        shares, values = sort_norms(one.gradient["target"], even)
        curve.plot(100 * shares, np.maximum(values, 1e-4), color=colour, lw=1.2, label=name)
    curve.axhline(1, color="#999", lw=0.6, ls=":")
    curve.set_yscale("log")
    curve.set_xlabel("target pixels from most to least, %")
    curve.set_ylabel("× mean without")
    curve.legend(loc="upper right")
    return figure


def ledger_data(view: View) -> FigureData:
    """The terms line by line, and the curves of the spread."""
    with_alpha, without = _read(view)
    entries = [weigh(ledger, view.switches.weights) for ledger in view.ledgers]
    columns = {"term": [entry.name for entry in entries[0]], "weight": [entry.weight for entry in entries[0]]}
    for way, lines in zip(WAYS, entries, strict=True):
        columns |= {
            f"{name}_{way}": [getattr(entry, name) for entry in lines] for name in ("value", "weighted", "share", "num_paying")
        }
    even = without.average("target")
    (shares, values), (_, plain) = (sort_norms(one.gradient["target"], even) for one in (with_alpha, without))
    return FigureData(
        tables={
            "ledger": Table(
                "a term with aggregation and without: value, weighted value, share of the objective, pixels that pay", columns
            ),
            "ledger_spread": Table(
                "a point of the curves: a share of target pixels, and the gradient that each has at least (× mean without)",
                {"share": shares, "with": values, "without": plain},
            ),
        }
    )


def draw_loss_classes(view: View) -> Figure:
    """Class by class: what it pays, and the gradient at the target's features, beside its share of pixels."""
    (with_alpha, _), alpha = _read(view), reference_alpha(view.analysis.config)
    space, payer = view.label_space, with_alpha.payer
    panels = ((payer, ("paid_with",)), ("target", ("gradient_with", "gradient_without")))
    names = {
        "paid_with": f"paid, α = {alpha:g}", "gradient_with": f"gradient, α = {alpha:g}",
        "gradient_without": "gradient, no aggregation", "pixels": "pixels",
    }  # fmt: skip
    found = {side: _share_by_class(view, side) for side, _ in panels}
    judged = " and ".join(f"of the {side} by {_judge(view, side)}" for side in dict.fromkeys(side for side, _ in panels))
    caption = (
        f"Loss: {_say(view)}. Left: share of what the {payer} pays, right: of the gradient that reaches the target's features, "
        f"by class, beside its share of pixels. Classes {judged}."
    )
    figure = new_figure(WIDTHS["double"], 0.7 + 0.2 * space.num_classes, caption)
    for axes, (side, shown) in zip(figure.subplots(1, 2), panels, strict=True):
        place = np.arange(space.num_classes)
        bars = (*shown, "pixels")
        height = 0.8 / len(bars)
        for shift, name in enumerate(bars):
            colour = "#9aa5ad" if name == "pixels" else COLOURS[shift]
            values = 100 * np.nan_to_num(found[side][name])
            axes.barh(place + (shift + 0.5) * height - 0.4, values, height, color=colour, label=names[name])
        axes.set_yticks(place, space.class_names, fontsize=6, parse_math=False)
        axes.invert_yaxis()
        axes.set_xlabel(f"{side}, %")
        axes.legend(loc="lower right")
    return figure


def loss_classes_data(view: View) -> FigureData:
    """Shares of both images by class."""
    found = {side: _share_by_class(view, side) for side in ("source", "target")}
    columns = {
        "image": [side for side in found for _ in view.label_space.class_names],
        "class": [*view.label_space.class_names] * len(found),
        **{name: np.concatenate([one[name] for one in found.values()]) for name in found["source"]},
    }
    meaning = (
        "a class on an image: its shares of pixels, of what the image pays, and of the gradient, with aggregation and without"
    )
    return FigureData(tables={"loss_classes": Table(f"{meaning}, 0-1", columns)})


def _share_by_class(view: View, side: Domain) -> dict[str, np.ndarray]:
    """(K,) shares of an image's pixels, payment and gradient with aggregation and without; NaN as in :func:`sum_by_class`."""
    with_alpha, without = _read(view)
    classes, count = _classes(view, side), view.label_space.num_classes
    return {
        "pixels": sum_by_class(np.ones(classes.shape), classes, count),
        "paid_with": sum_by_class(with_alpha.paid[side], classes, count),
        "paid_without": sum_by_class(without.paid[side], classes, count),
        "gradient_with": sum_by_class(with_alpha.gradient[side], classes, count),
        "gradient_without": sum_by_class(without.gradient[side], classes, count),
    }


def _classes(view: View, side: Domain) -> np.ndarray:
    """(N,) classes of the feature pixels of an image."""
    return pair_classes(view.analysis.pair)[side == "target"]


def _judge(view: View, side: Domain) -> str:
    """What tells the classes of an image."""
    pair = view.analysis.pair
    return "prediction" if (pair.source_labels if side == "source" else pair.target_labels) is None else "label"
