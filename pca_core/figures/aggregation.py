"""What target pixels borrow, how far the loss then reaches, and what each α changes."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from matplotlib.figure import Figure

from pca_core.analysis.spreading import ALPHAS, AlphaEffect, reference_alpha
from pca_core.figures.data import FigureData, Table
from pca_core.figures.drawing import BLUE, centre, lay_values, mark, show_image
from pca_core.figures.style import COLOURS, WIDTHS, image_height, new_figure
from pca_core.figures.view import View

REACH = (0.03, 10.0)  # the scale of pull and gradient, in multiples of the mean without aggregation


def draw_aggregation(view: View) -> Figure:
    """The weights of one target pixel, their entropy everywhere, and the pull and gradient without and with aggregation."""
    alpha = reference_alpha(view.analysis.config)
    loan, (without, reach) = view.loan, view.reaches
    caption = (
        f"Target pixel j borrows from {loan.num_lenders:,.0f} pixels in effect. Cycle-consistent pairs pull noticeably on "
        f"{without.pulled:.1%} of target pixels without aggregation and on {reach.pulled:.1%} with α = {alpha:g}; the gradient "
        f"spreads over {reach.spread:.1%} of them in effect ({without.spread:.1%} without)."
    )
    width, image = WIDTHS["double"], view.target.image
    pulls, gradients = ([one / max(plain.mean(), 1e-12) for one in maps] for plain, maps in (
        (without.pull, (without.pull, reach.pull)), (without.gradient, (without.gradient, reach.gradient))
    ))  # fmt: skip
    maps = (
        ("j borrows from", loan.times_even, "× uniform", None),
        ("Entropy of the weights", view.weights.entropy, "share of log T", None),
        ("Pull without aggregation", pulls[0], "× its mean", REACH),
        (f"Pull, α = {alpha:g}", pulls[1], "× mean without", REACH),
        ("Gradient without aggregation", gradients[0], "× its mean", REACH),
        (f"Gradient, α = {alpha:g}", gradients[1], "× mean without", REACH),
    )
    figure = new_figure(width, 2 * (image_height(width, 3, image, image) + 0.5), caption)
    for axes, (title, values, unit, limits) in zip(figure.subplots(2, 3).T.flat, maps, strict=True):
        show_image(axes, image, title)
        lay_values(axes, image, values, unit, is_log=limits is not None or title.startswith("j"), limits=limits)
    mark(figure.axes[0], centre(view.target_pixel, view.analysis.pair.target_size, image), "j", BLUE)
    return figure


def aggregation_data(view: View) -> FigureData:
    """The maps as they are, not as multiples of a mean; the numbers without aggregation and with."""
    alpha, (without, reach) = reference_alpha(view.analysis.config), view.reaches
    return FigureData(
        "(h', w') of the target: weights of pixel j as multiples of uniform, entropy of all weights (share of log T), what each "
        "pixel lends, pull in pairs and length of the gradient without and with aggregation",
        {
            "j": np.array(view.target_pixel),
            "alpha": np.array(alpha),
            "times_uniform": view.loan.times_even,
            "entropy": view.weights.entropy,
            "lent": view.weights.lent,
            "pull_without": without.pull,
            "pull_with": reach.pull,
            "gradient_without": without.gradient,
            "gradient_with": reach.gradient,
        },
        {
            "aggregation": Table(
                "without aggregation and with: shares of target pixels that are pulled, and that the gradient spreads over",
                {
                    "alpha": [0.0, alpha],
                    "pulled": [without.pulled, reach.pulled],
                    "gradient_spread": [without.spread, reach.spread],
                    "total_gradient": [float(one.gradient.sum(dtype=np.float64)) for one in (without, reach)],
                },
            )
        },
    )


def draw_alpha(view: View) -> Figure:
    """What the association of the pair comes to under each α."""
    effects = view.effects
    figure = new_figure(
        WIDTHS["single"] * 1.2, 2.3, f"The pair associated anew under each α; flips are against α = 0. {view.describe_config()}."
    )
    axes = figure.subplots()
    curves = {
        "cycle-consistent": [one.rate for one in effects],
        "coverage": [one.coverage for one in effects],
        "matches that flip": [one.flips for one in effects],
    }
    if effects[0].correct_rate is not None:
        curves["correct among cycle-consistent"] = [one.correct_rate for one in effects]
    for colour, (name, values) in zip(COLOURS, curves.items(), strict=False):
        axes.plot(ALPHAS, [100 * value for value in values], "o-", color=colour, ms=3, lw=1.2, label=name)
    axes.set_xlabel("α")
    axes.set_ylabel("%")
    axes.set_ylim(0, None)
    axes.legend()
    return figure


def alpha_data(view: View) -> FigureData:
    """The sweep over α, shares 0-1."""
    columns = {one.name: [getattr(effect, one.name) for effect in view.effects] for one in fields(AlphaEffect)}
    return FigureData(
        tables={"alpha": Table("the pair associated anew under each α, shares 0-1; flips are against α = 0", columns)}
    )
