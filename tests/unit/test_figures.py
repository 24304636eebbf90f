"""Publication figures: they hold what they show, in every format, and depend on nothing but the view."""

from __future__ import annotations

import io
import re
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

from pca_core import AssociationConfig, PairAnalysis, explain_pixel, load_checkpoint
from pca_core.analysis.loss_readings import PICKS, read_ledger
from pca_core.analysis.pairs import PairFilter, count_pair_flow, list_pairs
from pca_core.data import FolderDataset
from pca_core.figures.catalogue import FIGURES, draw_figure, figures_of, make_figure
from pca_core.figures.style import DPI, FORMATS, render_figure
from pca_core.figures.view import Switches, View
from pca_core.inference import make_pair, segment
from pca_core.losses import LossWeights
from pca_core.types import Sample


@pytest.fixture(scope="module")
def view(world) -> View:
    """A real net on two labelled images."""
    net = load_checkpoint(world / "net.safetensors")
    source, target = FolderDataset(world / "data")[0], replace(FolderDataset(world / "data")[1], domain="target")
    pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
    return View(PairAnalysis(pair), source, target, net, ("source", 5))


def without_labels(view: View) -> View:
    pair = replace(view.analysis.pair, target_labels=None)
    return replace(view, analysis=PairAnalysis(pair), target=Sample(view.target.name, "target", view.target.image))


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text())


def open_png(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_in_every_format(view, name):
    figure = make_figure(name, view)
    files = {fmt: render_figure(figure, fmt, 1) for fmt in FORMATS}
    picture = open_png(files["png"])
    assert min(picture.size) > 100
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    assert files["pdf"].startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", files["pdf"])) == 1
    svg = files["svg"].decode()
    assert "<text" in svg
    assert "CycleLens" not in svg  # a figure advertises nothing


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_works_without_target_labels_and_from_a_target_pixel(view, name):
    assert make_figure(name, replace(without_labels(view), pixel=("target", 3))).axes


@pytest.mark.parametrize("config", [AssociationConfig(alpha=0.0, mutual=True), AssociationConfig("prediction", 1.0, top_k=3)])
def test_captions_tell_the_config(view, config):
    other = replace(view, analysis=view.analysis.with_config(config))
    text = words(make_figure("pairs", other)).replace("\n", " ")
    assert ("no aggregation, mutual only" if config.mutual else "Prediction level, α = 1, k = 3") in text
    assert make_figure("trace", other)


def test_scales_multiply_the_same_picture(view):
    small, large = (open_png(draw_figure("histograms", view, "png", scale)) for scale in (1, 4))
    assert abs(large.width - 4 * small.width) <= 4
    assert small.info["dpi"][0] == pytest.approx(DPI, abs=0.1)
    shrunk = np.asarray(large.convert("L").resize(small.size, Image.Resampling.BOX), float)
    assert np.abs(shrunk - np.asarray(small.convert("L"))).mean() < 6  # the layout is the same, not only the size


def test_the_trace_says_and_marks_what_the_core_traces(view):
    trace = explain_pixel(view.analysis, 5)
    figure = make_figure("trace", view)
    assert f"comes back to ({trace.way_back.row}, {trace.way_back.column})" in words(figure)
    shown = figure.axes[1].images[1].get_array()  # over the target image
    np.testing.assert_array_equal(shown, trace.similarity_map)
    assert np.unravel_index(shown.argmax(), shown.shape) == (trace.match.row, trace.match.column)


def test_stages_tell_every_rung(view):
    trace = explain_pixel(view.analysis, 5)
    titles = [axes.get_title(loc="left") for axes in make_figure("stages", view).axes]
    for stage in trace.stages:
        assert any(f"({stage.match.row}, {stage.match.column})" in title for title in titles)
    assert [title.endswith("flips") for title in titles[:4]] == [stage.is_flip for stage in trace.stages]


def test_lines_are_those_that_pass_the_filter(view):
    keep = PairFilter(verdicts=("consistent",))
    passed = len(list_pairs(view.analysis, keep))
    for limit in (3, 10_000):
        figure = make_figure("pairs", replace(view, switches=Switches(lines=limit, keep=keep)))
        (lines,) = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
        assert len(lines.get_segments()) == min(limit, passed)
        assert f"{min(limit, passed):,} of {passed:,} pairs" in words(figure)


def test_flow_counts_what_the_page_counts(view):
    figure = make_figure("flow", replace(view, switches=Switches(flow="label")))
    counts = count_pair_flow(list_pairs(view.analysis), "label", view.label_space.num_classes)
    shares = counts / counts.sum(1, keepdims=True)
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), shares)


@pytest.mark.parametrize("inference", ["plain", "aggregated"])
def test_reliability_is_that_of_the_images_with_labels(view, inference):
    chosen = replace(view, switches=Switches(inference=inference))
    figure = make_figure("reliability", chosen)
    curves = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(curves) == ["as sure as right", "source", "target"]
    bars = dict(zip(("source", "target"), figure.axes[1].containers, strict=True))
    for name, one in zip(("source", "target"), chosen.segmented, strict=True):
        filled = one.reliability.count > 0
        np.testing.assert_allclose(curves[name].get_xdata(), 100 * one.reliability.confidence[filled])
        np.testing.assert_allclose(curves[name].get_ydata(), 100 * one.reliability.accuracy[filled])
        share = one.reliability.count / one.reliability.count.sum()
        np.testing.assert_allclose([bar.get_height() for bar in bars[name]], 100 * share)
        assert f"calibration error {one.reliability.error:.1%}" in words(figure).replace("\n", " ")
    assert ("aggregated inference" in words(figure)) == (inference == "aggregated")
    alone = make_figure("reliability", without_labels(view))
    assert [line.get_label() for line in alone.axes[0].lines] == ["as sure as right", "source"]


def test_without_any_label_reliability_says_so(view):
    bare = without_labels(view)
    nobody = replace(bare, source=Sample(view.source.name, "source", view.source.image))
    assert "Neither image has labels" in words(make_figure("reliability", nobody))


@pytest.mark.parametrize(
    ("loss", "payer"), [("all", "source"), ("feature_association", "source"), ("target_smoothing", "target")]
)
def test_loss_by_class_is_what_the_ledger_says(view, loss, payer):
    chosen = replace(view, switches=Switches(loss=loss))
    figure, count = make_figure("loss_classes", chosen), view.label_space.num_classes
    pair, terms = view.analysis.pair, PICKS[loss]
    labels = {"source": pair.source_labels.numpy(), "target": pair.target_labels.numpy()}
    on, off = (read_ledger(ledger, LossWeights(), terms) for ledger in chosen.ledgers)
    wanted = (
        (payer, [on.paid[payer]]),
        ("target", [on.gradient["target"], off.gradient["target"]]),
    )
    for axes, (side, maps) in zip(figure.axes, wanted, strict=True):
        assert axes.get_xlabel() == f"{side}, %"
        for bars, values in zip(axes.containers, [*maps, np.ones(labels[side].shape)], strict=True):
            by_class = [values[labels[side] == k].sum() / values.sum() for k in range(count)]
            np.testing.assert_allclose([bar.get_width() for bar in bars], 100 * np.array(by_class), rtol=1e-6, atol=1e-9)
    assert f"share of what the {payer} pays" in words(figure).replace("\n", " ")


def test_loss_by_class_says_what_told_the_classes(view):
    said = words(make_figure("loss_classes", without_labels(view))).replace("\n", " ")
    assert "Classes of the source by label and of the target by prediction." in said


def test_names_with_mathematics_stay_text(view):
    odd = replace(view, source=replace(view.source, name="cost $5_{a}$ \\frac"))
    assert "cost $5_{a}$ \\frac" in words(make_figure("trace", odd))
    assert "cost $5_{a}$" in draw_figure("trace", odd, "svg").decode()


def test_the_same_view_gives_the_same_bytes_in_any_thread(view):
    expected = {fmt: draw_figure("alpha", view, fmt) for fmt in FORMATS}
    got, threads = [], []
    for fmt in FORMATS * 2:
        threads.append(threading.Thread(target=lambda fmt=fmt: got.append((fmt, draw_figure("alpha", view, fmt)))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert all(zlib.crc32(data) == zlib.crc32(expected[fmt]) for fmt, data in got)


def test_settings_of_others_stay_as_they_were(view):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw_figure("alpha", view)
    assert dict(mpl.rcParams) == before


def test_wrong_formats_and_scales_are_refused(view):
    figure = make_figure("alpha", view)
    with pytest.raises(ValueError, match="png, svg, pdf"):
        render_figure(figure, "gif")
    with pytest.raises(ValueError, match="1 to 4"):
        render_figure(figure, "png", 5)
    with pytest.raises(KeyError):
        draw_figure("nothing", view)


def test_each_page_has_figures_of_its_own():
    pages = {kind.page for kind in FIGURES.values()}
    assert sorted(name for page in pages for name in figures_of(page)) == sorted(FIGURES)
