"""A trace in plain sentences."""

from __future__ import annotations

from dataclasses import replace

from pca_core import AssociationConfig, describe_trace, explain_pixel
from tests.unit.test_association import labels
from tests.unit.test_explain import plane_pair

CLASSES = ("road", "sky", "car", "tree")


def describe(pair, index, side="source", **options) -> str:
    return describe_trace(explain_pixel(pair, index, side, AssociationConfig(alpha=0.0, **options)), CLASSES)


def test_a_source_pixel_in_words():
    pair = plane_pair((0, 1.5, 90, 45), (1, 91, 180), (0, 0, 1, 255))
    broken = replace(pair, source_labels=labels(2, 0, 1, 255))
    start = "Source pixel (0, 0) goes to target pixel (0, 0), 2.0× uniform, and comes back to (0, 1): "
    assert describe(pair, 0) == start + "on its own class, road. The pair is cycle-consistent and is strengthened."
    assert describe(broken, 0) == start + "it left as car and returned as road. The cycle breaks; the loss ignores it."
    own_class_only = "on its own class, road, but not on itself. Mutual association ignores the pair."
    assert describe(pair, 0, mutual=True) == start + own_class_only
    assert describe(pair, 1).endswith("(0, 1): to the very same pixel. The pair is cycle-consistent and is strengthened.")
    assert describe(pair, 3).endswith(". It has no label, so its cycle cannot be judged and the loss ignores it.")
    lost = replace(pair, source_labels=labels(0, 255, 1, 1))
    assert describe(lost, 0).endswith("it left as road and returned as unlabelled. The cycle breaks; the loss ignores it.")


def test_a_target_pixel_in_words():
    pair = plane_pair((0, 1.5, 90), (1, 91, 180), (2, 0, 1))
    assert describe(pair, 0, "target") == (
        "2 source pixels claim target pixel (0, 0); 1 of these cycles close. It leads back to road at (0, 1)."
    )
    assert describe(pair, 1, "target").startswith("1 source pixel claims target pixel (0, 1); 1 of")
    assert describe(pair, 2, "target") == (
        "No source pixel claims target pixel (0, 2): it gets no direct pull. It would lead back to sky at (0, 2)."
    )
    trace = explain_pixel(pair, 2, "target")
    assert (trace.claims, trace.num_consistent) == ((), 0)
