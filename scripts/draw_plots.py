"""Draw the figures of docs/reading-the-plots.md: the built-in pair under the built-in net; print what they say as JSON.

python -m scripts.draw_plots [--out docs/pictures/plots] [--checkpoint FILE] [--facts-only]
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pca_core import AssociationConfig, PairAnalysis, explain_pixel, load_checkpoint
from pca_core.adaptation.health import normalised_entropy, soft_neighbourhood_density
from pca_core.analysis.domain_gap import measure_gap
from pca_core.analysis.embedding import sample_pixels
from pca_core.analysis.loss_readings import weigh
from pca_core.analysis.spreading import alpha_effects, map_weights, measure_reach
from pca_core.association.statistics import suggest_pixel, summarise
from pca_core.data import FolderDataset
from pca_core.data.streets import BUILT_IN_NET, STREETS
from pca_core.figures.catalogue import FIGURES, draw_figure
from pca_core.figures.view import View
from pca_core.inference import make_pair, segment
from pca_core.storage import write_atomic

ROOT = Path(__file__).resolve().parents[1]
SHOWN = (
    "stages", "association_maps", "flow", "histograms", "aggregation", "alpha",
    "class_distances", "feature_map", "scores", "reliability", "losses", "ledger", "loss_classes",
)  # fmt: skip


def open_view(checkpoint: Path) -> View:
    """The pair that the app opens on, with the pixel that it suggests."""
    net = load_checkpoint(checkpoint)
    source = FolderDataset(STREETS / "noon")[0]
    target = replace(FolderDataset(STREETS / "dusk-rain")[0], domain="target")
    pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
    analysis = PairAnalysis(pair, AssociationConfig())
    pixel = suggest_pixel(analysis.association, pair.source_labels, pair.target_labels)
    return View(analysis, source, target, net, ("source", pixel))


def as_jpeg(png: bytes) -> bytes:
    """A third of the size; the pages show photographs under their maps."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue()


def collect_facts(view: View) -> dict:
    """The numbers that the page tells, from the view alone."""
    analysis, pair = view.analysis, view.analysis.pair
    found, names = analysis.association, view.label_space.class_names
    trace = explain_pixel(pair, view.pixel[1], "source", analysis.config)
    statistics = summarise(found, pair.source_labels, analysis.num_classes, pair.target_labels)
    gap = asdict(measure_gap(pair, sample_pixels(pair), analysis.num_classes))
    reach = {alpha: measure_reach(analysis, alpha) for alpha in (0.0, analysis.config.alpha)}
    consistent, labelled = found.is_consistent, found.is_labelled
    margin, cycle = found.margin, analysis.soft_cycle_S
    return {
        "pixel": {
            "class": names[trace.label],
            "candidates": [(one.similarity, one.times_uniform) for one in trace.candidates[:3]],
            "margin": trace.margin,
            "soft_cycle": trace.soft_cycle,
            "stages": [(one.name, one.match.row, one.match.column, one.verdict) for one in trace.stages],
        },
        "pair": {
            name: getattr(statistics, name)
            for name in ("rate", "coverage", "consistent_coverage", "correct_rate", "correct_rate_all")
        },
        "hubs": {"hub_share": statistics.hub_share, "max_in_degree": statistics.max_in_degree},
        "median_margin": {
            "consistent": margin[consistent].median().item(),
            "broken": margin[labelled & ~consistent].median().item(),
        },
        "mean_soft_cycle": cycle[labelled].mean().item(),
        "rate_by_class": dict(zip(names, statistics.rate_by_class.round(3).tolist(), strict=True)),
        "entropy_of_prediction": normalised_entropy(pair.target_probabilities[None]),
        "snd": soft_neighbourhood_density(pair.target_probabilities[None]),
        "lenders": map_weights(analysis).mean_lenders,
        "target_pixels": found.num_target,
        "reach": {str(alpha): (one.pulled, one.spread) for alpha, one in reach.items()},
        "alphas": [asdict(one) for one in alpha_effects(analysis)],
        "gap": {name: np.asarray(value).round(4).tolist() for name, value in gap.items() if name != "judged_by"},
        "miou": [one.score.miou if getattr(one, "score", None) else None for one in view.segmented],
        "ledger": [asdict(one) for one in weigh(view.ledgers[0], view.switches.weights)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures/plots")
    parser.add_argument("--checkpoint", type=Path, default=BUILT_IN_NET, metavar="FILE")
    parser.add_argument("--figure", action="append", choices=FIGURES, help="only this one; repeatable")
    parser.add_argument("--facts-only", action="store_true")
    arguments = parser.parse_args()
    view = open_view(arguments.checkpoint)
    if not arguments.facts_only:
        arguments.out.mkdir(parents=True, exist_ok=True)
        for name in arguments.figure or SHOWN:
            write_atomic(arguments.out / f"{name}.jpg", as_jpeg(draw_figure(name, view, "png", 1)))
    print(json.dumps(collect_facts(view), indent=1))


if __name__ == "__main__":
    main()
