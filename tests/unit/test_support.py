"""Support of source images and the gap that they leave, against loops over pixels."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from pca_core import AssociationConfig
from pca_core.analysis.coverage_gap import find_threshold, judge_matches, measure_coverage
from pca_core.analysis.support import SourceSupport, SupportSearch, find_support, match_similarity, measure_support
from pca_core.association.aggregation import aggregate
from pca_core.checks import InputError
from pca_core.data import FolderDataset
from pca_core.types import LabelSpace
from tests import reference
from tests.conftest import make_pair
from tests.unit.adaptation_data import make_checkpoint, open_domains

CONFIGS = [
    AssociationConfig(alpha=0.0),
    AssociationConfig(),
    AssociationConfig(level="prediction"),
    AssociationConfig(mutual=True),
    AssociationConfig(top_k=3),
]


def sides(pair, level: str):
    return (
        (pair.source_features, pair.target_features)
        if level == "feature"
        else (pair.source_probabilities, pair.target_probabilities)
    )


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.level} {config.alpha} {config.mutual} {config.top_k}")
@pytest.mark.parametrize("seed", [3, 4])
def test_support_is_what_loops_over_pixels_say(config, seed):
    pair = make_pair(seed=seed)
    pair.source_labels[2:4] = torch.tensor([0, 3, 255] * 3)  # or nearly every cycle would close
    source, target = sides(pair, config.level)
    aggregated = aggregate(target[None], config.level, config.alpha)[0]
    got = measure_support(source, pair.source_labels, aggregated, config, "a")

    _, _, there, back = reference.associate(source.flatten(1).T, target.flatten(1).T, config.level, config.alpha)
    labels = pair.source_labels.flatten().tolist()
    match = back.argmax(1).tolist()

    def closes(pixel: int) -> bool:
        candidates = there[pixel].topk(config.top_k).indices.tolist()
        home = [match[candidate] for candidate in candidates]
        return labels[pixel] != 255 and any(pixel == end if config.mutual else labels[end] == labels[pixel] for end in home)

    np.testing.assert_allclose(got.similarity, back.amax(1).numpy(), atol=1e-5)
    assert got.is_closed.tolist() == [closes(pixel) for pixel in match]
    assert got.match_class.tolist() == [labels[pixel] for pixel in match]
    assert 0 < got.is_closed.mean() < 1


def test_the_reference_is_the_best_similarity_of_spread_pixels(pair):
    config = AssociationConfig()
    rows = match_similarity(pair.source_features, pair.target_features, config, 7)
    expected = reference.similarity(pair.target_features.flatten(1).T, pair.source_features.flatten(1).T, "feature").amax(1)
    np.testing.assert_allclose(rows, expected[torch.linspace(0, 39, 7).round().long()].numpy(), atol=1e-6)
    assert len(match_similarity(pair.source_features, pair.target_features, config, 10_000)) == 40


def test_every_map_is_of_one_entry_a_target_pixel():
    """All that is kept of a source image: six bytes a target pixel, none of its features."""
    big = make_pair(seed=1, source=(40, 60), target=(30, 50))
    kept = measure_support(big.source_features, big.source_labels, big.target_features, AssociationConfig())
    arrays = [getattr(kept, field.name) for field in fields(kept) if isinstance(getattr(kept, field.name), np.ndarray)]
    assert sum(array.nbytes for array in arrays) == 6 * 30 * 50


def test_a_target_of_one_pixel(pair):
    got = measure_support(pair.source_features, pair.source_labels, pair.target_features[:, :1, :1], AssociationConfig(alpha=0.0))
    assert got.similarity.shape == (1,)
    search = SupportSearch((got,), np.empty(0, np.float32), np.zeros((1, 1), np.uint8), (), 1)
    assert measure_coverage(search, -np.inf).covered == float(got.is_closed[0])


def test_nothing_labelled_supports_nothing(pair):
    nothing = torch.full_like(pair.source_labels, 255)
    got = measure_support(pair.source_features, nothing, pair.target_features, AssociationConfig())
    assert not got.is_closed.any()
    search = SupportSearch((got,), np.empty(0, np.float32), np.zeros((5, 8), np.uint8), (), 1)
    found = measure_coverage(search, -np.inf)
    assert (found.covered, found.steps, found.ranked[0].support) == (0.0, (), 0.0)
    assert found.classes[0].share == 1.0


# --- ranking and gap, by hand


def support(name: str, similarity, is_closed=None, match_class=0) -> SourceSupport:
    values = np.array(similarity, np.float32)
    closed = np.ones(len(values), bool) if is_closed is None else np.array(is_closed, bool)
    return SourceSupport(name, True, values, closed, np.full(len(values), match_class, np.uint8), 0.1)


@pytest.fixture
def search() -> SupportSearch:
    """Ten target pixels in one row, two classes; c has all that a has but one pixel, d nothing."""
    sources = (
        support("a", [0.9] * 3 + [0.1] * 7, match_class=0),
        support("b", [0.1] * 4 + [0.8] * 2 + [0.1] * 4, match_class=1),
        support("c", [0.95] * 2 + [0.1, 0.9, 0.9] + [0.2] * 5, match_class=1),
        support("d", [0.99] * 10, is_closed=[False] * 10, match_class=2),
    )
    prediction = np.array([[0] * 5 + [1] * 5], np.uint8)
    return SupportSearch(sources, np.array([0.5, 0.6, 0.7, 0.9], np.float32), prediction, (), 4)


def test_ranking_greedy_order_and_gap_by_hand(search):
    found = measure_coverage(search, 0.7)
    assert [(source.name, round(source.support, 6)) for source in found.ranked] == [
        ("c", 0.4),
        ("a", 0.3),
        ("b", 0.2),
        ("d", 0.0),
    ]
    # c supports 0 1 3 4; then b adds only 5, a only 2: equals, and a ranks higher; then b; d adds nothing.
    assert [(step.name, round(step.adds, 6), round(step.covered, 6)) for step in found.steps] == [
        ("c", 0.4, 0.4),
        ("a", 0.1, 0.5),
        ("b", 0.1, 0.6),
    ]
    assert found.is_gap.tolist() == [[False] * 6 + [True] * 4]
    assert found.covered == pytest.approx(0.6)
    np.testing.assert_allclose(found.best_similarity, [[0.99] * 10])
    assert (found.best_source == 3).all()
    assert [(row.class_index, row.num_pixels, row.num_unsupported) for row in found.classes] == [(1, 5, 4), (0, 5, 0)]
    assert np.isnan(found.classes[1].similarity)


def test_a_higher_threshold_never_supports_more(search):
    covered = [measure_coverage(search, threshold).covered for threshold in (-np.inf, 0.15, 0.5, 0.85, 0.92, 1.1)]
    assert covered == sorted(covered, reverse=True)
    assert (covered[0], covered[-1]) == (1.0, 0.0)


def test_the_threshold_is_a_quantile_of_the_reference():
    assert find_threshold(np.array([0.5, 0.6, 0.7], np.float32), 0.5) == pytest.approx(0.6)
    assert find_threshold(np.empty(0, np.float32)) == -np.inf
    with pytest.raises(ValueError, match="drop must lie in"):
        find_threshold(np.array([0.5]), 1.5)


def test_regions_are_connected_and_of_one_class():
    similarity = np.full((12, 12), 0.9, np.float32)
    similarity[:4, :4] = 0.2  # one block of class 0, nine of its sixteen pixels
    similarity[:4, 3] = 0.3  # a column of class 1 beside it, too small to be told
    similarity[8:, 6:] = 0.1
    prediction = np.zeros((12, 12), np.uint8)
    prediction[:, 3:6] = 1
    one = support("a", similarity.ravel())
    found = measure_coverage(SupportSearch((one,), np.empty(0, np.float32), prediction, (), 1), 0.5)
    first, second = found.regions
    assert (first.class_index, first.num_pixels, first.top, first.left, first.height, first.width) == (0, 24, 8, 6, 4, 6)
    assert (second.class_index, second.num_pixels, second.top, second.left, second.height, second.width) == (0, 12, 0, 0, 4, 3)
    assert (first.similarity, second.similarity) == (pytest.approx(0.1), pytest.approx(0.2))
    rows = {row.class_index: row for row in found.classes}
    assert (rows[0].num_unsupported, rows[0].num_regions) == (36, 2)
    assert (rows[1].num_unsupported, rows[1].num_regions, rows[1].similarity) == (4, 0, pytest.approx(0.3))


def test_target_labels_judge_supported_and_gap_apart(search):
    found = measure_coverage(replace(search, sources=search.sources[:3]), 0.7)
    # Best classes: c (1) at 0 1, a (0) at 2, c at 3 4, b (1) at 5, c (1) in the gap.
    labels = np.array([[1, 0, 0, 1, 255, 1, 1, 0, 0, 0]])
    supported, gap = judge_matches(found, labels)
    assert (supported, gap) == (pytest.approx(4 / 5), pytest.approx(1 / 4))
    assert all(np.isnan(judge_matches(found, np.full((1, 10), 255))))


def test_no_source_is_an_error(search):
    with pytest.raises(ValueError, match="at least one source"):
        measure_coverage(replace(search, sources=()), 0.5)


# --- the search over real files


class Counted:
    """A sequence that remembers what was read."""

    def __init__(self, samples):
        self.samples, self.read = samples, []

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        self.read.append(index)
        return self.samples[index]


@pytest.fixture
def domains(tmp_path):
    return open_domains(tmp_path)


def test_sources_are_read_one_at_a_time_and_no_more_after_a_stop(domains):
    source, target = domains
    counted = Counted(source)
    search = find_support(make_checkpoint(source), target[0].image, counted)
    assert counted.read == []
    first = next(search)
    assert (counted.read, first.num_seen, first.num_asked, len(first.reference)) == ([0], 1, 6, 0)
    second = next(search)
    assert (counted.read, second.num_seen) == ([0, 1], 2)
    assert len(second.reference) > 0
    search.close()
    assert counted.read == [0, 1]
    assert measure_coverage(second, find_threshold(second.reference)).ranked


@pytest.mark.parametrize("stop", [0, 2, 5])
def test_a_stopped_search_goes_on_to_the_same_end(tmp_path, stop):
    source, target = open_domains(tmp_path, num_source=8)
    source.image_path(source.names[1]).write_bytes(b"no picture")
    net, image = make_checkpoint(source), target[0].image
    whole = list(find_support(net, image, source))
    counted = Counted(source)
    rest = list(find_support(net, image, counted, before=whole[stop]))
    assert counted.read == list(range(6 if stop == 5 else 0, 8))  # too early a stop begins anew
    end = rest[-1]
    assert [one.name for one in end.sources] == [one.name for one in whole[-1].sources]
    assert end.skipped == whole[-1].skipped
    np.testing.assert_array_equal(end.reference, whole[-1].reference)
    for one, other in zip(end.sources, whole[-1].sources, strict=True):
        np.testing.assert_array_equal(one.similarity, other.similarity)
    other_question = list(find_support(net, image, source.subset(source.names[:7]), before=whole[5]))
    assert other_question[0].num_seen == 1


def test_the_search_is_the_measure_of_each_image(domains):
    source, target = domains
    found = list(find_support(make_checkpoint(source), target[0].image, source))[-1]
    assert [one.name for one in found.sources] == list(source.names)
    assert found.prediction.size == len(found.sources[0].similarity)
    assert (np.diff(found.reference) >= 0).all()
    assert all(one.is_labelled for one in found.sources)
    again = list(find_support(make_checkpoint(source), source[2].image, source, AssociationConfig(alpha=0.0)))[-1]
    ranked = measure_coverage(again, find_threshold(again.reference)).ranked
    itself = next(one for one in again.sources if one.name == source.names[2])
    np.testing.assert_allclose(itself.similarity, 1, atol=1e-5)  # an image is its own best source
    assert max(ranked, key=lambda one: one.similarity).name == source.names[2]


def test_without_labels_predictions_judge(domains):
    source, target = domains
    bare = source.subset(source.names[:2], is_labelled=False)
    found = list(find_support(make_checkpoint(source), target[0].image, bare))[-1]
    assert not any(one.is_labelled for one in found.sources)
    assert any(one.is_closed.any() for one in found.sources)


def test_what_cannot_be_read_is_skipped_and_told(domains):
    source, target = domains
    source.image_path(source.names[1]).write_bytes(b"no picture")
    steps = list(find_support(make_checkpoint(source), target[0].image, source))
    assert [step.num_seen for step in steps] == [1, 2, 3, 4, 5, 6]
    assert len(steps[-1].sources) == 5
    (sentence,) = steps[-1].skipped
    assert source.names[1] in sentence


def test_images_too_large_to_wait_for_are_skipped(domains):
    source, target = domains
    net = make_checkpoint(source)
    free = list(find_support(net, target[0].image, source.subset(source.names[:1])))[-1]
    most = free.prediction.size**2
    wide = replace(source[0], name="wide", image=np.tile(source[0].image, (1, 9, 1)), label=None)
    found = list(find_support(net, target[0].image, [wide, source[0]], most_similarities=most))[-1]
    assert [one.name for one in found.sources] == [source.names[0]]
    assert "The source wide has" in found.skipped[0]
    with pytest.raises(InputError) as caught:
        next(find_support(net, target[0].image, source, most_similarities=most - 1))
    assert caught.value.code == "PAIR_TOO_LARGE"


@pytest.mark.parametrize(
    ("damage", "code"), [("none", "SOURCES_NONE"), ("all", "SOURCES_UNREADABLE"), ("classes", "SOURCES_UNREADABLE")]
)
def test_a_search_without_a_usable_source_is_one_sentence(domains, damage, code):
    source, target = domains
    net = make_checkpoint(source)
    if damage == "all":
        for name in source.names:
            source.image_path(name).write_bytes(b"")
    if damage == "classes":
        other = LabelSpace("others", ("x", "y", "z"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
        source = FolderDataset(source.root, label_space=other)
    with pytest.raises(InputError) as caught:
        list(find_support(net, target[0].image, [] if damage == "none" else source))
    assert caught.value.code == code
    assert damage != "classes" or "are others, but the checkpoint speaks bands" in str(caught.value)
