"""What pixels pay of the loss, and how far its gradient reaches."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.loss_readings import PICKS, find_ceiling, in_units, measure_reach, read_ledger, sort_norms, weigh
from pca_core.analysis.spreading import reference_alpha
from pca_core.figures.drawing import lay_values, show_image
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.figures.view import View
from pca_core.losses.names import within_sentence


def draw_losses(view: View) -> Figure:
    """What each source pixel pays, and the gradient at each target pixel without and with aggregation."""
    (aggregated, plain), alpha = view.ledgers, reference_alpha(view.analysis.config)
    weights, names = view.switches.weights, PICKS[view.switches.loss]
    with_alpha, without = (read_ledger(ledger, weights, names) for ledger in (aggregated, plain))
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


def _limits(paid: np.ndarray) -> tuple[float, float]:
    """Smoothing is paid in negative numbers; a few pixels may not spoil the scale."""
    low, high = float(min(paid.min(), 0.0)), float(np.percentile(paid, 99.5))
    return low, high if high > low else low + 1e-12


def _say(view: View) -> str:
    pick = view.switches.loss
    return "all terms" if pick == "all" else ", ".join(within_sentence(name) for name in PICKS[pick])


def draw_ledger(view: View) -> Figure:
    """The terms of the objective as bars, and how the gradient spreads over the target."""
    (aggregated, plain), alpha = view.ledgers, reference_alpha(view.analysis.config)
    weights, names = view.switches.weights, PICKS[view.switches.loss]
    entries = weigh(aggregated, weights)
    with_alpha, without = (read_ledger(ledger, weights, names) for ledger in (aggregated, plain))
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
