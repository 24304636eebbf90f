"""The arrays and tables of a bundle are those of its figures: page by page there, in shape, and what the core says."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from pca_core import AssociationConfig, PairAnalysis, explain_pixel, load_checkpoint
from pca_core.analysis.domain_gap import class_distances, measure_gap
from pca_core.analysis.embedding import embed, sample_pixels
from pca_core.analysis.loss_ledger import TERMS, write_ledger
from pca_core.analysis.loss_readings import PICKS, read_ledger, weigh
from pca_core.analysis.pair_summary import coverage_map
from pca_core.analysis.pairs import count_pair_flow, list_pairs, thin_pairs
from pca_core.analysis.projection import aggregate_target, colour_features
from pca_core.analysis.segmentation import describe_segmentation
from pca_core.analysis.spreading import ALPHAS, alpha_effects, describe_loan, map_weights, measure_reach
from pca_core.data import FolderDataset
from pca_core.export.bundle import make_bundle
from pca_core.export.recipe import make_recipe
from pca_core.figures.catalogue import FIGURES, figure_data, figures_of
from pca_core.figures.data import Table
from pca_core.figures.view import Switches, View
from pca_core.inference import aggregate_prediction, make_pair, segment
from pca_core.losses import LossWeights
from pca_core.render import VERDICTS, hubness_map, verdict_map
from pca_core.types import Sample

ALPHA = 0.3
WEIGHTS = LossWeights(lovasz=0.5)
SWITCHES = Switches(lines=20, flow="label", embedding="spectral", is_target_aggregated=True, loss="associations", weights=WEIGHTS)
ALWAYS = {
    "arrays/association.npz",
    "arrays/trace.npz",
    "arrays/classes.npz",
    *(f"tables/{n}.csv" for n in ("pairs", "classes", "pixel")),
}


@pytest.fixture(scope="module")
def view(world) -> View:
    net = load_checkpoint(world / "net.safetensors")
    source, target = FolderDataset(world / "data")[0], replace(FolderDataset(world / "data")[1], domain="target")
    pair = make_pair(segment(net, source.image), source.label, segment(net, target.image), target.label)
    return View(PairAnalysis(pair, AssociationConfig("feature", ALPHA)), source, target, net, ("target", 7), SWITCHES)


def without_labels(view: View) -> View:
    pair = replace(view.analysis.pair, target_labels=None)
    target = Sample(view.target.name, "target", view.target.image)
    return replace(
        view, analysis=PairAnalysis(pair, view.analysis.config), target=target, switches=replace(SWITCHES, flow="cycle")
    )


class Bundle:
    """The data files of a bundle of one page."""

    def __init__(self, view: View, net, page: str) -> None:
        data = make_bundle(view, make_recipe(view, net, figures_of(page), ("svg",), 1), net)
        self.archive = zipfile.ZipFile(io.BytesIO(data))
        names = self.archive.namelist()
        assert len(set(names)) == len(names)
        self.own = {name for name in names if name.startswith(("arrays/", "tables/"))} - ALWAYS
        readme = self.archive.read("README.txt").decode()
        for name in self.own | ALWAYS:
            (line,) = [line for line in readme.splitlines() if line.split()[:1] == [name]]
            assert len(line.split()) > 3, line

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self.archive.read(f"arrays/{name}.npz"))) as arrays:
            return dict(arrays)

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.archive.read(f"tables/{name}.csv").decode())))


@pytest.fixture
def opened(view, world):
    return lambda page, of=view: Bundle(of, world / "net.safetensors", page)


def files(arrays: str, tables: str) -> set[str]:
    return {f"arrays/{name}.npz" for name in arrays.split()} | {f"tables/{name}.csv" for name in tables.split()}


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(row[name] or "nan") for row in rows])


def equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], but: tuple[str, ...] = ()) -> None:
    assert set(found) - set(but) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_trace(opened, view):
    bundle = opened("trace")
    assert bundle.own == files("stages", "stages")
    arrays, rows = bundle.arrays("stages"), bundle.rows("stages")
    trace = explain_pixel(view.analysis, int(arrays["i"]), "source")
    assert int(arrays["i"]) == view.analysis.association.target_return_index[7]
    assert [row["stage"] for row in rows] == [stage.name for stage in trace.stages]
    for row, stage in zip(rows, trace.stages, strict=True):
        shown = arrays[stage.name]
        assert shown.shape == view.analysis.pair.target_size
        assert shown.flat[stage.match.index] == shown.max()
        assert (int(row["match_row"]), int(row["match_column"])) == (stage.match.row, stage.match.column)
        assert (row["verdict"], float(row["margin"])) == (stage.verdict, stage.margin)
        assert row["match_label"] == ("" if stage.match.label is None else view.label_space.class_names[stage.match.label])


def test_associations(opened, view):
    bundle, found = opened("associations"), view.analysis.association
    assert bundle.own == files("association_maps pairs flow histograms", "association_maps flow histograms")
    codes = verdict_map(found, view.analysis.pair.source_labels)
    maps = {"verdict": codes, "coverage": coverage_map(found), "hubs": hubness_map(found)}
    equal(bundle.arrays("association_maps"), maps | {"margin": found.margin.reshape(found.source_size)})
    counted = {row["meaning"]: int(row["pixels"]) for row in bundle.rows("association_maps") if row["map"] == "verdict"}
    assert counted == {name: int((codes == code).sum()) for code, name in enumerate(VERDICTS)}
    drawn = thin_pairs(list_pairs(view.analysis), 20)
    names = ("source_index", "target_index", "return_index", "similarity", "own_class", "verdict")
    equal(bundle.arrays("pairs"), {name: getattr(drawn, name) for name in names}, ("verdict_names",))
    count = view.label_space.num_classes
    flows = {flow: count_pair_flow(list_pairs(view.analysis), flow, count) for flow in ("label", "cycle")}
    equal(bundle.arrays("flow"), flows, ("class_names",))
    told = [[int(row[f"to {name}"]) for name in view.label_space.class_names] for row in bundle.rows("flow")]
    np.testing.assert_array_equal(told, np.concatenate([flows["label"], flows["cycle"]]))
    bins, rows = bundle.arrays("histograms"), bundle.rows("histograms")
    assert bins["similarity_counts"].sum() == bins["margin_counts"].sum() == len(found.target_index)
    assert bins["margin_counts"].shape == (len(bins["verdict_names"]), len(bins["margin_edges"]) - 1)
    assert column(rows, "consistent").sum() == 2 * int(found.is_consistent.sum())


def test_aggregation(opened, view):
    bundle = opened("aggregation")
    assert bundle.own == files("aggregation", "aggregation alpha")
    weights, reaches = map_weights(view.analysis), [measure_reach(view.analysis, alpha) for alpha in (0.0, ALPHA)]
    wanted = {
        "j": 7, "alpha": ALPHA, "times_uniform": describe_loan(view.analysis, 7).times_even,
        "entropy": weights.entropy, "lent": weights.lent,
        "pull_without": reaches[0].pull, "pull_with": reaches[1].pull,
        "gradient_without": reaches[0].gradient, "gradient_with": reaches[1].gradient,
    }  # fmt: skip
    arrays = bundle.arrays("aggregation")
    equal(arrays, wanted)
    assert {one.shape for name, one in arrays.items() if name not in ("j", "alpha")} == {view.analysis.pair.target_size}
    np.testing.assert_array_equal(column(bundle.rows("aggregation"), "pulled"), [one.pulled for one in reaches])
    sweep, effects = bundle.rows("alpha"), alpha_effects(view.analysis)
    assert column(sweep, "alpha").tolist() == list(ALPHAS)
    for name in ("flips", "rate", "coverage", "consistent_coverage", "correct_rate"):
        np.testing.assert_array_equal(column(sweep, name), [getattr(one, name) for one in effects])


def both_ways(view: View) -> dict[tuple[str, str], object]:
    """Both images by both inferences, straight from the core."""
    pair = view.analysis.pair
    sides = {
        "source": (view.source, pair.source_features, pair.source_probabilities),
        "target": (view.target, pair.target_features, pair.target_probabilities),
    }
    return {
        (side, way): describe_segmentation(
            plain if way == "plain" else aggregate_prediction(view.checkpoint, features, ALPHA),
            sample.image.shape[:2],
            sample.label,
        )
        for side, (sample, features, plain) in sides.items()
        for way in ("plain", "aggregated")
    }


def test_segmentation(opened, view):
    bundle, each = opened("segmentation"), both_ways(view)
    assert bundle.own == files("segmentation scores", "segmentation scores scores_confusion reliability")
    arrays = bundle.arrays("segmentation")
    numbers, classes, confusions, bins = (bundle.rows(n) for n in ("segmentation", "scores", "scores_confusion", "reliability"))
    names = view.label_space.class_names
    for (side, way), one in each.items():
        for name in ("class_map", "confidence", "entropy", "margin", "error_map"):
            np.testing.assert_array_equal(arrays[f"{side}_{way}_{name}"], getattr(one, name))
        np.testing.assert_array_equal(arrays[f"{side}_label_map"], one.label_map)

        def mine(rows, side=side, way=way):
            return [row for row in rows if (row["image"], row["inference"]) == (side, way)]

        (row,) = mine(numbers)
        assert float(row["miou"]) == one.score.miou
        assert float(row["calibration_error"]) == one.reliability.error
        assert [row["class"] for row in mine(classes)] == list(names)
        np.testing.assert_array_equal(column(mine(classes), "iou"), one.score.iou)
        np.testing.assert_array_equal(column(mine(classes), "predicted_share"), one.class_shares)
        np.testing.assert_array_equal([[int(row[f"as {n}"]) for n in names] for row in mine(confusions)], one.confusion)
        np.testing.assert_array_equal(bundle.arrays("scores")[f"{side}_{way}_confusion"], one.confusion)
        np.testing.assert_array_equal(column(mine(bins), "pixels"), one.reliability.count)
        np.testing.assert_array_equal(column(mine(bins), "accuracy"), one.reliability.accuracy)


def test_segmentation_without_labels_of_the_target(opened, view):
    bundle = opened("segmentation", without_labels(view))
    assert not [
        name for name in bundle.arrays("segmentation") if name.startswith("target") and ("label" in name or "error" in name)
    ]
    assert {row["image"] for row in bundle.rows("scores_confusion")} == {"source"}
    assert {row["image"] for row in bundle.rows("reliability")} == {"source"}
    assert np.isnan(column([row for row in bundle.rows("segmentation") if row["image"] == "target"], "miou")).all()


def test_features(opened, view):
    bundle = opened("features")
    assert bundle.own == files(
        "feature_colours feature_map class_distances", "feature_colours feature_map feature_map_gap class_distances"
    )
    pair = aggregate_target(view.analysis.pair, view.analysis.config)
    colours, sample = colour_features(pair), sample_pixels(pair)
    wanted = {"source": colours.source, "target": colours.target, "palette": colours.palette, "explained": colours.explained}
    equal(bundle.arrays("feature_colours"), wanted)
    points, count = embed(sample, "spectral"), view.label_space.num_classes
    wanted = {"points": points, "is_target": sample.is_target, "index": sample.index, "classes": sample.classes}
    equal(bundle.arrays("feature_map"), wanted | {"method": "spectral"})
    for place, row in enumerate(bundle.rows("feature_map")):
        side = "target" if sample.is_target[place] else "source"
        width = (pair.target_size if side == "target" else pair.source_size)[1]
        assert (row["image"], int(row["row"]) * width + int(row["column"])) == (side, sample.index[place])
        assert row["class"] == (*view.label_space.class_names, "")[min(sample.classes[place], count)]
        assert (float(row["x"]), float(row["y"])) == tuple(points[place])
    gap = measure_gap(pair, sample, count)
    assert {row["measure"]: float(row["value"]) for row in bundle.rows("feature_map_gap")} == {
        name: getattr(gap, name) for name in ("proxy_a_distance", "mmd", "mmd_by_chance", "frechet", "frechet_by_mean")
    }
    distance = class_distances(pair, count)
    equal(bundle.arrays("class_distances"), {"distance": distance, "pixels": gap.class_pixels}, ("class_names",))
    rows = bundle.rows("class_distances")
    np.testing.assert_array_equal(column(rows, "distance"), distance)
    np.testing.assert_array_equal(column(rows, "target_pixels"), gap.class_pixels[1])


def test_losses(opened, view):
    bundle, pair = opened("losses"), view.analysis.pair
    assert bundle.own == files("losses", "losses ledger ledger_spread loss_classes")
    classify = view.checkpoint.model.classify
    ledgers = {"with": write_ledger(pair, classify, AssociationConfig(alpha=ALPHA))}
    ledgers["without"] = write_ledger(pair, classify, AssociationConfig(alpha=0.0))
    readings = {way: read_ledger(one, WEIGHTS, PICKS["associations"]) for way, one in ledgers.items()}
    wanted, sizes = {}, {"source": pair.source_size, "target": pair.target_size}
    for way, ledger in ledgers.items():
        wanted |= {f"{name}_{way}": term.shares for name, term in ledger.terms.items()}
        for side in sizes:
            wanted |= {f"{side}_paid_{way}": readings[way].paid[side], f"{side}_gradient_{way}": readings[way].gradient[side]}
    arrays, rows = bundle.arrays("losses"), bundle.rows("ledger")
    equal(arrays, wanted)
    for name, side in TERMS.items():
        assert arrays[f"{name}_with"].shape == sizes[side]
        assert arrays[f"{name}_with"].sum() == pytest.approx(ledgers["with"].terms[name].value, rel=1e-4)
    assert [row["term"] for row in rows] == list(TERMS)
    for way, ledger in ledgers.items():
        lines = weigh(ledger, WEIGHTS)
        assert column(rows, f"weighted_{way}").tolist() == [line.weighted for line in lines]
        assert column(rows, f"num_paying_{way}").tolist() == [line.num_paying for line in lines]
    assert float(rows[1]["weight"]) == 0.5
    even = readings["without"].gradient["target"].mean()
    spread = bundle.rows("ledger_spread")
    assert column(spread, "with")[0] == pytest.approx(readings["with"].gradient["target"].max() / even)
    assert column(spread, "without")[-1] == pytest.approx(readings["without"].gradient["target"].min() / even)
    told = [row for row in bundle.rows("losses") if (row["image"], float(row["alpha"])) == ("target", ALPHA)]
    assert column(told, "gradient_at_even").tolist() == [(readings["with"].gradient["target"] >= even).mean()]
    by_class = [row for row in bundle.rows("loss_classes") if row["image"] == "target"]
    gradient, labels = readings["without"].gradient["target"], pair.target_labels.numpy()
    share = [gradient[labels == k].sum() / gradient.sum() if (labels == k).any() else np.nan for k in range(len(by_class))]
    np.testing.assert_allclose(column(by_class, "gradient_without"), share)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_tells_what_its_files_are(view, name):
    for one in (view, without_labels(view), replace(view, pixel=("source", 5))):
        data = figure_data(name, one)
        assert bool(data.arrays) == bool(data.meaning)
        assert all(stem == name or stem.startswith(f"{name}_") for stem in data.tables)
        assert not {f"tables/{stem}.csv" for stem in data.tables} & ALWAYS
        assert f"arrays/{name}.npz" not in ALWAYS or not data.arrays
        assert all(one.dtype.kind in "bifuU" for one in data.arrays.values())  # opens without pickle
        assert bool(data.arrays or data.tables) == (name != "trace")  # what a trace is drawn from is in every bundle


def test_columns_of_a_table_are_as_long_as_each_other():
    with pytest.raises(ValueError, match="a 2, b 1"):
        Table("rows", {"a": [1, 2], "b": [1]})
