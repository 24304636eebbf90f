"""Every figure by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from pca_core.figures import aggregation, associations, features, losses, segmentation, style, trace
from pca_core.figures.data import FigureData
from pca_core.figures.style import Format, render_figure
from pca_core.figures.view import View


@dataclass(frozen=True)
class FigureKind:
    """One figure that can be asked for.

    Attributes:
        title: For people.
        page: Of the app, where it belongs.
        draw: Makes it; call :func:`draw_figure` instead.
        data: Gives what it is drawn from; None for a figure whose data every bundle has. Call :func:`figure_data` instead.
    """

    title: str
    page: str
    draw: Callable[[View], Figure]
    data: Callable[[View], FigureData] | None = None


FIGURES = {
    "trace": FigureKind("The cycle of this pixel", "trace", trace.draw_trace),
    "stages": FigureKind("Stage ladder", "trace", trace.draw_stages, trace.stages_data),
    "association_maps": FigureKind(
        "Verdicts, coverage, margin and hubs", "associations", associations.draw_maps, associations.maps_data
    ),
    "pairs": FigureKind("Pairs as lines", "associations", associations.draw_pairs, associations.pairs_data),
    "flow": FigureKind("Class flow", "associations", associations.draw_flow, associations.flow_data),
    "histograms": FigureKind("Similarity and margin", "associations", associations.draw_histograms, associations.histograms_data),
    "aggregation": FigureKind(
        "Weights, entropy and reach", "aggregation", aggregation.draw_aggregation, aggregation.aggregation_data
    ),
    "alpha": FigureKind("What α changes", "aggregation", aggregation.draw_alpha, aggregation.alpha_data),
    "segmentation": FigureKind(
        "Both images segmented", "segmentation", segmentation.draw_segmentation, segmentation.segmentation_data
    ),
    "scores": FigureKind("IoU and confusion", "segmentation", segmentation.draw_scores, segmentation.scores_data),
    "reliability": FigureKind("Reliability", "segmentation", segmentation.draw_reliability, segmentation.reliability_data),
    "feature_colours": FigureKind(
        "Features as colours", "features", features.draw_feature_colours, features.feature_colours_data
    ),
    "feature_map": FigureKind("Map of sampled pixels", "features", features.draw_feature_map, features.feature_map_data),
    "class_distances": FigureKind("Class centroids", "features", features.draw_class_distances, features.class_distances_data),
    "losses": FigureKind("Who pays, and what is reached", "losses", losses.draw_losses, losses.losses_data),
    "ledger": FigureKind("Terms and spread of the gradient", "losses", losses.draw_ledger, losses.ledger_data),
    "loss_classes": FigureKind(
        "Who pays, and whom the gradient reaches, by class", "losses", losses.draw_loss_classes, losses.loss_classes_data
    ),
}


def figures_of(page: str) -> tuple[str, ...]:
    """Names of the figures of a page."""
    return tuple(name for name, kind in FIGURES.items() if kind.page == page)


def make_figure(name: str, view: View) -> Figure:
    """One figure, laid out once and for all: every format and scale shows the same.

    Args:
        name: A key of :data:`FIGURES`.
        view: What to show.

    Raises:
        KeyError: On an unknown name.
    """
    return style.make_figure(FIGURES[name].draw, view)


def figure_data(name: str, view: View) -> FigureData:
    """The arrays and tables behind a figure, from the same findings of the view.

    Args:
        name: A key of :data:`FIGURES`.
        view: What is shown.

    Raises:
        KeyError: On an unknown name.
    """
    data = FIGURES[name].data
    return FigureData() if data is None else data(view)


def draw_figure(name: str, view: View, fmt: Format = "png", scale: float = 2) -> bytes:
    """One figure as the bytes of a file; see :func:`make_figure` and :func:`~pca_core.figures.style.render_figure`."""
    return render_figure(make_figure(name, view), fmt, scale)
