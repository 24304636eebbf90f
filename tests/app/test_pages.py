"""The pages without a browser: what widgets change, and that wrong input says one sentence and loses nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from app.layers.maps import format_ends, value_layer
from app.state import cache
from app.state.session import BUILT_IN, BUILT_IN_CHECKPOINT
from app.state.uploads import Upload
from pca_core.data import FolderDataset, encode_jpeg, encode_png
from pca_core.models import load_checkpoint, save_checkpoint
from tests.app.pages import SECONDS, open_page
from tests.conftest import ROOT
from tests.unit.test_checkpoint_safety import MALICIOUS, Evil


@pytest.fixture
def trace() -> AppTest:
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=SECONDS).run()
    assert not app.exception
    return app


@pytest.fixture
def images() -> AppTest:
    return open_page("images")


def metric(app: AppTest, label: str) -> str:
    return next(item.value for item in app.metric if item.label == label)


def sentences(app: AppTest) -> str:
    return " ".join(item.value for item in [*app.error, *app.warning])


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.0611, 0.93), ("0.061", "0.930")),
        ((-0.5, 1.0), ("−0.500", "1.000")),
        ((-8.91234, -0.00001), ("−8.912", "0.000")),
        ((0, 65), ("0", "65")),
        ((0.4, 432.04), ("0.4", "432.0")),
        ((0.4, 1234.5), ("0", "1,234")),
        ((0.0, 3.21e-6), ("0.00e+00", "3.21e−06")),
    ],
)
def test_both_ends_of_a_legend_have_as_many_decimals(ends, shown):
    assert format_ends(*ends) == shown


def test_a_logarithmic_legend_has_as_many_digits_at_both_ends():
    layer = value_layer("loan", "Loan", "target", np.geomspace(0.0365, 10.84, 12).reshape(3, 4), "× uniform", is_log=True)
    assert layer.legend == ("0.0365", "10.8 × uniform (log scale)")


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.0, 1401.0), ("0", "1,401")),
        ((1, 65), ("1", "65")),
        ((0, 12_345_678), ("0", "12,345,678")),
        ((3.21e-6, 0.5), ("3.21e-06", "0.5")),
        ((0.25, 10.84), ("0.25", "10.8")),
        ((0.5, 1401.5), ("0.5", "1,402")),
    ],
)
def test_counts_of_a_logarithmic_legend_are_whole(ends, shown):
    layer = value_layer("hubs", "Hubs", "target", np.array([ends]), "source pixels claim it", is_log=True)
    assert layer.legend == (shown[0], f"{shown[1]} source pixels claim it (log scale)")
    told = value_layer("hubs", "Hubs", "target", np.zeros((2, 2)), "", is_log=True, limits=ends)
    assert (told.legend[0], told.legend[1].split()[0]) == shown


def test_trace_tells_a_story_at_once(trace):
    assert 0 < float(metric(trace, "Cycle-consistent").rstrip("%")) <= 100
    assert any("goes to target pixel" in item.value for item in trace.markdown)
    assert not trace.error


def test_controls_reach_the_core(trace):
    before = {label: metric(trace, label) for label in ("Cycle-consistent", "Coverage")}
    trace.number_input(key="top_k").set_value(5).run()
    more = float(metric(trace, "Cycle-consistent").rstrip("%"))
    assert more >= float(before["Cycle-consistent"].rstrip("%"))
    trace.toggle(key="mutual").set_value(True).run()
    assert float(metric(trace, "Cycle-consistent").rstrip("%")) < more
    trace.toggle(key="mutual").set_value(False)
    trace.number_input(key="top_k").set_value(1)
    trace.slider(key="alpha").set_value(0.0).run()
    assert metric(trace, "Coverage") != before["Coverage"]
    assert not trace.exception


def test_the_list_of_candidates_says_what_k_does(trace):
    words = " ".join(item.value for item in trace.caption)
    assert "The 5 most similar target pixels. With k = 1 only the first may be the match" in words
    trace.number_input(key="top_k").set_value(7).run()
    words = " ".join(item.value for item in trace.caption)
    assert "The 7 most similar target pixels. The match j\\* is the first among k = 7" in words


def test_a_target_pixel_that_nobody_claims_shows_the_nearest_source_pixels(trace):
    trace.session_state["pixel"] = ("target", 4000)
    trace.run()
    assert not trace.exception
    assert any("These source pixels resemble it most" in item.value for item in trace.caption)
    nearest, leads_back = (item.value for item in trace.dataframe)
    assert nearest.equals(leads_back)
    assert len(nearest) == 5


def test_a_missing_checkpoint_file_is_one_sentence_with_a_way_out(trace):
    trace.session_state["checkpoint"] = "/nowhere/net.safetensors"
    trace.run()
    assert "no checkpoint file" in sentences(trace)
    assert not trace.exception


def test_unknown_label_ids_are_listed_before_they_are_ignored(trace, tmp_path):
    for name, content in {
        "images/street.png": encode_png(np.full((64, 96, 3), 90, np.uint8)),
        "labels/street.png": encode_png(np.full((64, 96), 42, np.uint8)),
        "classes.json": (ROOT / "assets/streets/classes.json").read_bytes(),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    choice = type(trace.session_state["choices"]["target"])(str(tmp_path), "street")
    trace.session_state["choices"]["target"] = choice
    trace.run()
    assert "42" in sentences(trace)
    assert "6144" in sentences(trace).replace(",", "")
    trace.button(key="ignore_unknown").click().run()
    assert not trace.error
    assert any("goes to target pixel" in item.value for item in trace.markdown)


def test_choosing_an_image(images):
    name, first = FolderDataset(BUILT_IN["source"]).names[3], FolderDataset(BUILT_IN["target"]).names[0]
    images.button(key=f"source_use_{name}").click().run()
    assert images.session_state["choices"]["source"].name == name
    assert images.session_state["choices"]["target"].name == first


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("/nowhere/at/all", "/nowhere/at/all"),
        (str(ROOT / "docs"), "images/"),
        ("~nobodyhere/x", "nobodyhere"),
        ("/" + "x" * 5000, "There is no folder"),
        ("/tmp/\0", "There is no folder"),
    ],
    ids=["missing", "holds no images", "home of nobody", "longer than a path can be", "a NUL in it"],
)
def test_a_wrong_folder_is_named_and_the_old_one_stays(images, folder, words):
    before = images.session_state["source_folder"]
    images.text_input(key="source_folder_field").set_value(folder)
    next(button for button in images.button if button.label == "Open").click().run()
    assert words in sentences(images)
    assert images.session_state["source_folder"] == before
    assert not images.exception


@pytest.mark.parametrize("kind", ["text", "torch zip", "pickle 2", "pickle after weights"])
def test_a_wrong_checkpoint_is_named_and_the_old_one_stays(images, tmp_path, kind):
    before, marker = images.session_state["checkpoint"], tmp_path / "marker"
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"these are no weights" if kind == "text" else MALICIOUS[kind](Evil(marker)))
    images.text_input(key="checkpoint_field").set_value(str(wrong))
    next(button for button in images.button if button.label == "Load").click().run()
    assert "wrong.safetensors" in sentences(images)
    assert images.session_state["checkpoint"] == before
    assert not marker.exists()


def test_another_checkpoint_is_used_and_can_be_left_again(images, tmp_path):
    built_in = images.session_state["checkpoint"]
    other = tmp_path / "other.safetensors"
    other.write_bytes(Path(built_in).read_bytes())
    images.text_input(key="checkpoint_field").set_value(str(other))
    next(button for button in images.button if button.label == "Load").click().run()
    assert images.session_state["checkpoint"] == str(other)
    images.run()
    assert images.session_state["checkpoint"] == str(other)
    images.selectbox[0].set_value(built_in).run()
    assert images.session_state["checkpoint"] == built_in


@pytest.mark.parametrize("path", ["/" + "x" * 5000, "~nobodyhere/net.safetensors", "/tmp/\0"])
def test_an_impossible_checkpoint_path_is_one_sentence(images, path):
    images.text_input(key="checkpoint_field").set_value(path)
    next(button for button in images.button if button.label == "Load").click().run()
    assert "There is no checkpoint file" in sentences(images)
    assert not images.exception


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8)


def upload(app: AppTest, side: str, image: bytes | None, label: bytes | None = None) -> AppTest:
    app.segmented_control(key=f"{side}_from").set_value("upload").run()
    if image is not None:
        app.file_uploader(key=f"{side}_upload_image 0").upload("my street.jpg", image, "image/jpeg")
    if label is not None:
        app.file_uploader(key=f"{side}_upload_label 0").upload("my street.png", label, "image/png")
    next(button for button in app.button if button.label == "Add").click().run()
    assert not app.exception
    return app


def test_an_uploaded_target_is_chosen(images):
    upload(images, "target", encode_jpeg(picture()))
    choice = images.session_state["choices"]["target"]
    assert choice.folder == "upload"
    assert choice.name.startswith("my street")


def test_an_upload_with_unknown_ids_can_be_added_all_the_same(images):
    label = np.full((64, 96), 77, np.uint8)
    upload(images, "source", encode_jpeg(picture()), encode_png(label))
    assert "77" in sentences(images)
    images.checkbox(key="source_upload_lenient").set_value(True)
    next(button for button in images.button if button.label == "Add").click().run()  # the files are still there
    assert not sentences(images)
    assert images.session_state["choices"]["source"].folder == "upload"


def test_an_uploaded_source_with_its_label_is_chosen(images):
    label = np.zeros((64, 96), np.uint8)
    upload(images, "source", encode_jpeg(picture()), encode_png(label))
    assert images.session_state["choices"]["source"].folder == "upload"


@pytest.mark.parametrize("sides", [("source", "target"), ("target",)])
def test_a_pair_too_large_to_wait_for_is_refused(sides, trace):
    """A strip of 7 × 300 pixels has ten thousand columns at the short side of the net: 10¹⁰ similarities with another one, and
    as many with itself, which aggregation of the target asks for."""
    strip, label = np.zeros((7, 300, 3), np.uint8), np.zeros((7, 300), np.uint8)
    space = cache.get_checkpoint(trace.session_state["checkpoint"]).label_space
    for side in sides:
        choice = trace.session_state["choices"][side]
        trace.session_state["uploads"][side]["strip"] = Upload("strip", encode_png(strip), encode_png(label), space)
        trace.session_state["choices"][side] = type(choice)("upload", "strip")
    trace.run()
    assert "feature pixels, more than can be associated while you wait" in sentences(trace)
    assert not trace.exception


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        (None, None, "Choose an image file"),
        (encode_jpeg(picture())[:-300], encode_png(np.zeros((64, 96), np.uint8)), "cut off|broken|truncated|incomplete"),
        (encode_jpeg(picture()), None, "needs a label map"),
        (encode_jpeg(picture()), encode_png(np.zeros((32, 96), np.uint8)), "96"),
        (encode_jpeg(picture()), encode_png(np.full((64, 96), 77, np.uint8)), "77"),
        (b"not a picture", encode_png(np.zeros((64, 96), np.uint8)), "PNG"),
        (b"not a picture", None, "WebP"),  # a label map would not help
    ],
    ids=[
        *("nothing chosen", "half a JPEG", "source without label", "label of another size", "unknown ids", "no image"),
        "no image without label",
    ],
)
def test_a_wrong_upload_is_one_sentence_and_loses_nothing(images, image, label, words):
    before = images.session_state["choices"]["source"]
    upload(images, "source", image, label)
    assert len([*images.error, *images.warning]) == 1
    assert any(word in sentences(images) for word in words.split("|"))
    assert images.session_state["choices"]["source"] == before


def test_a_pin_of_other_images_is_let_go_and_told():
    app = open_page("trace", pixel="source-99999")
    assert "0 to 8191, and it was 99999" in app.warning[0].value
    assert "pixel" not in app.query_params
    app.run()
    assert not app.warning


def test_pins_and_probes_stay_where_they_are_under_a_net_that_sees_larger_images(tmp_path):
    """From 64 × 128 to 96 × 192 feature pixels and back: the net of an adaptation that enlarges, then the one before."""
    larger = tmp_path / "larger.safetensors"
    save_checkpoint(larger, replace(load_checkpoint(BUILT_IN_CHECKPOINT), short_side=384))
    app = open_page("trace", pixel=f"source-{20 * 128 + 40}", probes=f"t{30 * 128 + 99}.wheel")
    app.session_state["checkpoint"] = str(larger)
    app.run()
    assert app.session_state["pixel"] == ("source", 30 * 192 + 60)
    assert app.query_params["pixel"] == f"source-{30 * 192 + 60}"
    assert app.query_params["probes"] == f"t{45 * 192 + 149}.wheel"
    app.session_state["checkpoint"] = str(BUILT_IN_CHECKPOINT)
    app.run()
    assert app.query_params["pixel"] == f"source-{20 * 128 + 40}"
    assert app.query_params["probes"] == f"t{30 * 128 + 99}.wheel"
    assert not app.exception


def test_where_memory_is_short_pixels_are_averaged_and_that_is_said(monkeypatch):
    from pca_core.association import pair as analysis

    def search(forward, backward, label_S, sizes, config):
        if len(label_S) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return found(forward, backward, label_S, sizes, config)

    found, most = analysis.search_cycles, 4000
    kept = open_page("trace", alpha="0.29", pixel=f"target-{20 * 128 + 41}")
    monkeypatch.setattr(analysis, "search_cycles", search)
    next(one for one in kept.slider if one.key == "alpha").set_value(0.33).run()  # the pin stays at its place
    assert "were let go" not in sentences(kept)
    assert kept.session_state["pixel"] == ("target", 10 * 64 + 20)
    app = open_page("trace", alpha="0.31", pixel="target-77")  # of the whole map
    assert "2 × 2 of them are averaged" in sentences(app)
    assert "Pixels that the address names were let go." in sentences(app)
    assert "pixel" not in app.query_params
    assert 0 < float(metric(app, "Cycle-consistent").rstrip("%")) <= 100

    most = 10
    app = open_page("trace", alpha="0.32")
    assert "Memory ran out, also with a 16th of the rows at a time" in sentences(app)
    monkeypatch.undo()
    assert not sentences(app.run())


def test_what_fits_no_memory_is_told_where_it_would_be(monkeypatch):
    from app.state import probes

    def explain(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(probes, "explain_pixel", explain)
    app = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=SECONDS)
    app.query_params["pixel"] = "source-77"  # nobody has asked for it yet
    app.run()
    assert not app.exception
    assert "Memory ran out, also with a 16th" in sentences(app)
    assert metric(app, "Coverage"), "the rest of the page is there"
