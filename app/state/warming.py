"""The pair that the app opens on, put into the caches before anybody asks for it."""

from __future__ import annotations

from app.state import aggregation, associations, cache, features, losses, probes, segmentation
from app.state.cache import Pair
from app.state.defaults import BUILT_IN, read_defaults
from pca_core.analysis.pair_summary import vary_switches
from pca_core.analysis.spreading import reference_alpha
from pca_core.association import AssociationConfig, suggest_pixel


def open_default_pair() -> Pair:
    """Everything that the first picture needs, with the first image of each folder.

    Raises:
        InputError: When the folders or the net that the server was started with cannot be used.
    """
    defaults = read_defaults()
    space = cache.get_checkpoint(defaults["net"]).label_space
    samples = [
        cache.read_sample(defaults[side], side, cache.get_dataset(defaults[side], side).names[0], "error", space)
        for side in BUILT_IN
    ]
    pair = cache.get_pair(*samples, defaults["net"], AssociationConfig())
    cache.get_packed_features(pair)
    first = suggest_pixel(pair.analysis.association, pair.analysis.pair.source_labels, pair.analysis.pair.target_labels)
    probes.get_trace(pair, ("source", first))
    return pair


def fill_pages(pair: Pair) -> None:
    """What each page shows of a pair at first, the slowest ones first: some six seconds on two cores."""
    config = pair.analysis.config
    alpha = reference_alpha(config)
    losses.get_findings(pair, alpha)
    aggregation.get_findings(pair, alpha)
    aggregation.get_effects(pair)
    associations.get_findings(pair)
    for shown in (config, next(iter(vary_switches(config).values()))):  # the others are for who asks for every switch
        associations.get_totals(pair, shown)
    segmentation.get_findings(pair, alpha)
    features.get_map(features.get_findings(pair), "pca")
