"""The Images page without a browser: galleries, many uploads at once, the net's classes, and the source finder."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.state import address, cache, uploads
from app.state.session import BUILT_IN, Choice
from pca_core.analysis.coverage_gap import find_threshold, measure_coverage
from pca_core.analysis.support import find_support
from pca_core.data import FolderDataset, encode_jpeg, encode_png, read_image
from pca_core.data.streets import STREETS
from pca_core.models import load_checkpoint, save_checkpoint
from tests.app.test_pages import SECONDS, metric, picture, sentences
from tests.fuzz.crafted import pack
from tests.unit.adaptation_data import make_checkpoint, make_domains

LABEL = encode_png(np.zeros((64, 96), np.uint8))


def open_page(looked_at: int = 0, told: dict[str, str] | None = None, **state: object) -> AppTest:
    """The page; ``looked_at`` sources are looked at before, as if the search had been stopped after them."""

    def page(looked_at, state):
        import streamlit as st

        from app.state import collections, folders, session, support
        from app.views import images

        session.start({})
        for name, value in state.items():
            if name not in st.session_state.get("set", ()):
                st.session_state[name] = value
        st.session_state["set"] = tuple(state)
        if looked_at:
            shown = collections.list_images("source", folders.get_folder("source"), "")
            search = support.look(support.ask(shown, 40))
            for _ in range(looked_at):
                next(search)
        images.render()

    app = AppTest.from_function(page, args=(looked_at, state), default_timeout=SECONDS)
    for name, value in (told or {}).items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


@pytest.fixture
def images() -> AppTest:
    return open_page()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Six source and four target images of three bands, and a net for them."""
    root = tmp_path_factory.mktemp("images")
    source, target = make_domains(root)
    net = root / "net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(source)))
    return source, target, net


def open_world(world, looked_at: int = 0) -> AppTest:
    source, target, net = map(str, world)
    return open_page(
        looked_at,
        checkpoint=net,
        checkpoints=[net],
        source_folder=source,
        target_folder=target,
        choices={"source": Choice(source, "000"), "target": Choice(target, "001")},
    )


def used(app: AppTest, side: str = "source") -> list[str]:
    """Names under the pictures of a gallery, in order."""
    return [button.label for button in app.button if (button.key or "").startswith(f"{side}_use_")]


def caption(app: AppTest, words: str) -> str:
    return next(item.value for item in app.caption if words in item.value)


# --- galleries


def test_both_galleries_and_the_classes_are_there_at_once(images):
    for side, folder in BUILT_IN.items():
        assert used(images, side) == [name.replace("_", "\\_") for name in FolderDataset(folder).names[:12]]
        assert images.text_input(key=f"{side}_folder_field").value == f"streets:{folder.name}"
    legend = next(item.proto.body for item in images.get("html") if "aria-label" in item.proto.body)
    space = load_checkpoint(images.session_state["checkpoint"]).label_space
    for name, (red, green, blue) in zip(space.class_names, space.palette, strict=True):
        assert f">{name}<" in legend
        assert f"rgb({red} {green} {blue})" in legend
    assert any("compact, 11 classes of camvid-11. Images are scaled to a short side of 256" in item.value for item in images.text)
    assert not sentences(images)


def test_pages_turn(images):
    names = FolderDataset(BUILT_IN["source"]).names
    assert images.button(key="source_previous").disabled
    images.button(key="source_next").click().run()
    assert used(images)[0] == names[12].replace("_", "\\_")
    assert caption(images, "The source is").endswith("not in sight here.")
    assert caption(images, "of 160 images").startswith("13–24")
    assert used(images, "target")[0].startswith("dusk")
    images.button(key="source_previous").click().run()
    assert caption(images, "of 160 images").startswith("1–12")


def test_a_search_narrows_by_parts_and_starts_at_its_first_page(images):
    images.button(key="source_next").click().run()
    images.text_input(key="source_search").set_value("NOON 01").run()
    count = sum("01" in name for name in FolderDataset(BUILT_IN["source"]).names)
    assert caption(images, "that fit").startswith(f"1–12 of {count} images that fit, of 160")
    assert all("01" in name for name in used(images))
    images.text_input(key="source_search").set_value("0107").run()
    assert used(images) == ["noon\\_0107"]
    images.text_input(key="source_search").set_value("nothing").run()
    assert used(images) == []
    assert "No image name contains that" in images.info[0].value


def test_the_gallery_opens_where_the_chosen_image_is():
    folder = str(BUILT_IN["source"])
    name = FolderDataset(folder).names[30]
    app = open_page(choices={"source": Choice(folder, name), "target": Choice(str(BUILT_IN["target"]), "dusk_rain_0001")})
    assert name.replace("_", "\\_") in used(app)
    assert caption(app, "of 160").startswith("25–36")
    assert app.button(key=f"source_use_{name}").icon
    assert not app.button(key=f"source_use_{FolderDataset(folder).names[31]}").icon


def test_built_in_streets_are_one_click(images):
    images.pills(key="target_streets").set_value("streets:noon-heldout").run()
    assert used(images, "target")[0].startswith("noon")
    assert caption(images, "of 24 images")
    assert images.text_input(key="target_folder_field").value == "streets:noon-heldout"
    images.text_input(key="target_folder_field").set_value("streets:dusk-rain-heldout")
    next(button for button in images.button if button.key and button.key.startswith("target_open")).click().run()
    assert images.pills(key="target_streets").value == "streets:dusk-rain-heldout"
    assert caption(images, "of 40 images")


def test_a_link_to_a_built_in_frame_works_on_any_server(images):
    images.pills(key="target_streets").set_value("streets:dusk-rain-heldout").run()
    name = FolderDataset(STREETS / "dusk-rain-heldout").names[2]
    images.button(key=f"target_use_{name}").click().run()
    told = {key: value[0] if isinstance(value, list) else value for key, value in images.query_params.items()}
    assert told["target_from"] == "streets:dusk-rain-heldout"
    assert address.find_path("streets:dusk-rain-heldout") == str(STREETS / "dusk-rain-heldout")
    assert address.find_path("streets:../..") is None
    again = open_page(told=told)
    assert again.session_state["choices"]["target"] == Choice(str(STREETS / "dusk-rain-heldout"), name)
    assert not sentences(again)


def test_labels_of_other_classes_are_one_sentence(images, world):
    images.text_input(key="source_folder_field").set_value(str(world[0]))
    next(button for button in images.button if button.label == "Open").click().run()
    assert len([*images.error, *images.warning]) == 1
    assert "These labels are bands (3 classes), but the checkpoint speaks camvid-11 (11 classes)" in sentences(images).replace(
        "\\", ""
    )


def test_an_unlabelled_source_is_told(images, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/bare.png").write_bytes(encode_png(picture()))
    images.text_input(key="source_folder_field").set_value(str(tmp_path))
    next(button for button in images.button if button.label == "Open").click().run()
    assert not sentences(images)
    assert caption(images, "None of these") == "None of these is the source yet: click one."
    images.button(key="source_use_bare").click().run()
    assert caption(images, "The source is") == "The source is **bare**."
    assert "no label map" in sentences(images)


def test_class_names_are_text(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(encode_png(picture()))
    (tmp_path / "labels/a.png").write_bytes(LABEL)
    name = "<img src=http://192.0.2.1/x.png>"
    (tmp_path / "classes.json").write_text(json.dumps({"name": "n", "class_names": [name, "b"]}))
    net = tmp_path / "net.safetensors"
    save_checkpoint(net, make_checkpoint(FolderDataset(tmp_path)))
    app = open_page(checkpoint=str(net), checkpoints=[str(net)])
    legend = next(item.proto.body for item in app.get("html") if "aria-label" in item.proto.body)
    assert "<img" not in legend
    assert "&lt;img" in legend


# --- uploads


def add(
    app: AppTest, side: str, images: dict[str, bytes], labels: dict[str, bytes] | None = None, convention: str = ""
) -> AppTest:
    app.segmented_control(key=f"{side}_from").set_value("upload").run()
    number = app.session_state.get(f"{side}_upload_round", 0)
    for name, data in images.items():
        app.file_uploader(key=f"{side}_upload_image {number}").upload(name, data, "image/jpeg")
    for name, data in (labels or {}).items():
        app.file_uploader(key=f"{side}_upload_label {number}").upload(name, data, "image/png")
    app.selectbox(key=f"{side}_upload_ids").set_value(convention)
    next(button for button in app.button if button.label == "Add").click().run()
    assert not app.exception
    return app


def test_many_images_find_their_labels_by_name(images):
    names = ["b", "a", "c"]
    add(images, "source", {f"{n}.jpg": encode_jpeg(picture(i)) for i, n in enumerate(names)}, {f"{n}.png": LABEL for n in "abc"})
    assert not sentences(images)
    assert [name[0] for name in used(images)] == names
    assert images.session_state["choices"]["source"].name.startswith("b ")
    add(images, "source", {"d.jpg": encode_jpeg(picture(9))}, {"of another name.png": LABEL})  # one and one belong together
    assert [name[0] for name in used(images)] == [*names, "d"]
    assert not sentences(images)


@pytest.mark.parametrize(
    ("convention", "raw", "wanted"),
    [
        ("", [0, 3, 8, 255], ["sky", "road", "car", None]),
        ("label_ids", [23, 7, 26, 22], ["sky", "road", "car", None]),  # 22 is terrain, which the net does not know
        ("synthia_ids", [1, 3, 8, 0], ["sky", "road", "car", None]),
    ],
)
def test_ids_of_a_known_data_set_become_classes_of_the_net(images, convention, raw, wanted):
    label = np.repeat(np.array(raw, np.uint8), 16)[:, None].repeat(96, 1)  # as high as the picture
    add(images, "source", {"mine.jpg": encode_jpeg(picture())}, {"mine.png": encode_png(label)}, convention)
    assert not sentences(images)
    (upload,) = images.session_state["uploads"]["source"].values()
    space = upload.label_space
    ids = cache.decode_upload("", "source", upload.image, upload.label, space).label
    found = [None if index == 255 else space.class_names[index] for index in ids[8::16, 0].tolist()]
    assert found == wanted


def test_a_zip_brings_images_and_labels_at_once(images):
    files = {f"set/images/{n}.jpg": encode_jpeg(picture(n)) for n in range(3)} | {"set/images/bare.jpg": encode_jpeg(picture(7))}
    labels = {f"set/labels/{n}.png": LABEL for n in range(3)}
    add(images, "source", {"mine.zip": pack(files | labels)})
    assert [name.split()[0] for name in used(images)] == ["0", "1", "2"]
    assert "3 of 4 images were added" in images.success[0].value
    assert "bare.jpg needs a label map" in images.error[0].value.replace("\\", "")
    (first, *_) = images.session_state["uploads"]["source"].values()
    np.testing.assert_array_equal(read_image(first.image), read_image(files["set/images/0.jpg"]))


def test_equal_images_with_other_labels_stay_apart(images):
    image, label = encode_jpeg(picture()), encode_png(np.full((64, 96), 3, np.uint8))
    files = {f"images/{folder}/x.jpg": image for folder in "abc"} | {f"labels/{folder}/x.png": LABEL for folder in "ac"}
    add(images, "source", {"mine.zip": pack(files | {"labels/b/x.png": label})})
    kept = images.session_state["uploads"]["source"]
    assert [name.split()[0] for name in kept] == ["x", "x", "x"]
    assert len({upload.content for upload in kept.values()}) == 2
    add(images, "source", {"mine.zip": pack(files | {"labels/b/x.png": label})})  # the same ones again
    assert len(images.session_state["uploads"]["source"]) == 3


def test_upload_fields_offer_what_the_server_takes(images):
    images.segmented_control(key="source_from").set_value("upload").run()
    assert {field.proto.max_upload_size_mb for field in images.file_uploader} == {50}


def test_a_label_map_is_that_of_its_own_archive(images):
    """Two archives may name their images alike; one of labels alone serves images that have none at home."""

    def label(index: int) -> bytes:
        return encode_png(np.full((64, 96), index, np.uint8))

    def archive(seed: int, **labels: bytes) -> bytes:
        return pack({"images/x.jpg": encode_jpeg(picture(seed))} | {f"labels/{name}.png": data for name, data in labels.items()})

    add(images, "source", {"one.zip": archive(1, x=label(1)), "two.zip": archive(2, x=label(2))})
    assert not sentences(images)
    kept = images.session_state["uploads"]["source"].values()
    assert sorted(int(read_image(upload.label).max()) for upload in kept) == [1, 2]

    apart = pack({"images/y.jpg": encode_jpeg(picture(3)), "images/z.jpg": encode_jpeg(picture(4))})
    add(images, "source", {"images.zip": apart}, {"labels.zip": pack({"labels/y.png": label(3), "labels/z.png": label(4)})})
    assert not sentences(images)
    assert len(images.session_state["uploads"]["source"]) == 4

    add(images, "source", {"one.zip": archive(5), "two.zip": archive(6)}, {"x.png": label(5)})
    assert "Several images or label maps are named x, so nobody can tell" in sentences(images)
    for files, labels in (
        ({"w.jpg": encode_jpeg(picture(7)), "w.png": encode_png(picture(8))}, {"w.png": label(5)}),
        ({"v.jpg": encode_jpeg(picture(7)), "u.jpg": encode_jpeg(picture(8))}, {"v.png": label(5), "v.tif": label(6)}),
    ):
        add(images, "source", files, labels)
        assert "so nobody can tell" in sentences(images)
    assert len(images.session_state["uploads"]["source"]) == 4, "nobody knows whose label map it is"
    add(images, "source", {"t.jpg": encode_jpeg(picture(9)), "t.jpeg": encode_jpeg(picture(9))}, {"t.png": label(5)})
    assert not sentences(images), "the same image twice is one"


def test_a_zip_that_is_not_as_it_should_be_changes_nothing(images):
    before = images.session_state["choices"]["target"]
    add(
        images,
        "target",
        {"good.jpg": encode_jpeg(picture()), "bomb.zip": pack({"a.png": LABEL, "b.png": pack({"a.png": LABEL})})},
    )
    assert "holds another archive" in sentences(images)
    assert images.session_state["choices"]["target"] == before
    assert used(images, "target") == []


def test_a_label_of_another_size_is_fitted_on_consent(images):
    files = {"a.jpg": encode_jpeg(picture())}, {"a.png": encode_png(np.full((128, 192), 3, np.uint8))}
    add(images, "source", *files)
    assert "must have the size of its image" in sentences(images)
    images.checkbox(key="source_upload_fit").check()
    next(button for button in images.button if button.label == "Add").click().run()
    assert not sentences(images)
    (upload,) = images.session_state["uploads"]["source"].values()
    np.testing.assert_array_equal(read_image(upload.label)[..., 0], np.full((64, 96), 3))


def test_ids_that_are_named_by_hand_become_classes(images):
    label = np.full((64, 96), 200, np.uint8)
    label[:32] = 3
    files = {"a.jpg": encode_jpeg(picture())}, {"a.png": encode_png(label)}
    add(images, "source", *files)
    assert "200 (3072 pixels)" in sentences(images)
    for words, expected in (("200 = raod", "Did you mean road?"), ("200 = road", "")):
        images.text_input(key="source_upload_by_hand").set_value(words)
        next(button for button in images.button if button.label == "Add").click().run()
        assert expected in sentences(images)
    assert not sentences(images)
    (upload,) = images.session_state["uploads"]["source"].values()
    names = [upload.label_space.class_names[index] for index in read_image(upload.label)[[0, -1], 0, 0]]
    assert names == [upload.label_space.class_names[3], "road"]


def test_a_second_try_decodes_only_what_is_new(images, monkeypatch):
    decoded = []
    take = uploads.take_image
    monkeypatch.setattr(uploads, "take_image", lambda data, name: decoded.append(name) or take(data, name))
    good = {f"{n}.jpg": encode_jpeg(picture(n)) for n in range(2)}
    add(images, "target", good | {"half.jpg": encode_jpeg(picture(5))[:-300]})
    assert decoded == ["0.jpg", "1.jpg", "half.jpg"]
    next(button for button in images.button if button.label == "Add").click().run()
    assert decoded[3:] == ["half.jpg"]


def test_what_can_be_used_is_kept_and_the_rest_told(images):
    good = {f"{n}.jpg": encode_jpeg(picture(n)) for n in range(2)}
    bad = {"half.jpg": encode_jpeg(picture(5))[:-300], "text.jpg": b"not a picture", "bare.jpg": encode_jpeg(picture(6))}
    labels = {f"{name}.png": LABEL for name in (0, 1, "half", "text", "lonely")}
    add(images, "source", good | bad, labels)
    assert len(used(images)) == 2
    assert "2 of 5 images were added" in images.success[0].value
    (error,) = images.error
    for words in ("half", "text", "bare.jpg needs a label map", "lonely.png belongs to none"):
        assert words in error.value.replace("\\", "")


def test_many_wrong_files_are_told_shortly(images):
    before = images.session_state["choices"]["target"]
    add(images, "target", {f"{n}.jpg": b"no picture" for n in range(9)})
    (error,) = images.error
    assert error.value.endswith("And 4 more like these.")
    assert images.session_state["choices"]["target"] == before


def test_uploads_are_bounded(images, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 3)
    add(images, "target", {f"{n}.png": encode_png(picture(n)) for n in range(4)})
    assert "At most 3 images can be uploaded at once, got 4" in sentences(images)
    assert used(images, "target") == []
    number = "target_upload_image 0"
    images.file_uploader(key=number).set_value([(f"{n}.png", encode_png(picture(n)), "image/png") for n in range(2)])
    next(button for button in images.button if button.label == "Add").click().run()
    add(images, "target", {f"{n}.png": encode_png(picture(n)) for n in (7, 8)})
    assert [name[0] for name in used(images, "target")] == ["1", "7", "8"]  # the oldest gave way
    monkeypatch.setattr(uploads, "MAX_BYTES", len(encode_png(picture(3), is_quick=True)) + 100)
    add(images, "target", {f"{n}.png": encode_png(picture(n)) for n in (3, 4)})
    assert "goes beyond" in sentences(images)
    assert [name[0] for name in used(images, "target")] == ["3"]


# --- source finder


def core_coverage(world, names, drop: float):
    source, target, net = world
    dataset = FolderDataset(source)
    net, image = load_checkpoint(net), FolderDataset(target)[1].image
    search = list(find_support(net, image, dataset.subset(names)))[-1]
    return measure_coverage(search, find_threshold(search.reference, drop))


def test_the_finder_says_what_the_core_says_and_a_click_picks(world):
    app = open_world(world)
    assert not app.metric
    app.button(key="finder_start").click().run()
    assert not app.exception
    found = core_coverage(world, FolderDataset(world[0]).names, 0.1)
    assert metric(app, "All together") == f"{found.covered:.1%}"
    assert metric(app, "Gap") == f"{1 - found.covered:.1%}"
    assert metric(app, "Best source") == f"{found.ranked[0].support:.1%}"
    results = [button for button in app.button if (button.key or "").startswith("finder_use_")]
    assert [button.label for button in results] == [f"**{source.support:.1%}** {source.name}" for source in found.ranked]
    results[2].click().run()
    assert app.session_state["choices"]["source"] == Choice(str(world[0]), found.ranked[2].name)
    assert metric(app, "All together") == f"{found.covered:.1%}"  # still there


def test_another_strictness_and_order_need_no_new_search(world):
    app = open_world(world)
    app.button(key="finder_start").click().run()
    usual = float(metric(app, "Gap").rstrip("%"))
    app.segmented_control(key="images_drop").set_value("0.25").run()
    strict = core_coverage(world, FolderDataset(world[0]).names, 0.25)
    assert metric(app, "Gap") == f"{1 - strict.covered:.1%}"
    assert float(metric(app, "Gap").rstrip("%")) >= usual
    app.segmented_control(key="images_order").set_value("adds").run()
    labels = [button.label for button in app.button if (button.key or "").startswith("finder_use_")]
    assert labels == [f"**+{step.adds:.1%}** {step.name}" for step in strict.steps]
    for view in ("similarity", "image"):
        app.segmented_control(key="images_view").set_value(view).run()
        assert not app.exception


def test_unknown_ids_have_a_way_out(world, tmp_path):
    copy = (shutil.copytree(world[0], tmp_path / "source"), *world[1:])
    for path in FolderDataset(copy[0]).listing.labels.values():
        path.write_bytes(encode_png(np.full((32, 48), 77, np.uint8)))
    app = open_world(copy)
    app.button(key="finder_start").click().run()
    assert "77" in sentences(app)
    app.button(key="finder_ignore_unknown").click().run()
    app.button(key="finder_start").click().run()
    assert metric(app, "All together") == "0.0%"  # nothing is labelled, so no cycle closes
    assert not sentences(app)


def test_the_switches_of_the_other_pages_count(world):
    app = open_world(world)
    app.button(key="finder_start").click().run()
    assert caption(app, "Compared") == "Compared by features, aggregation α = 0.5, as the switches of the other pages say."
    app.session_state["config"] = replace(app.session_state["config"], level="prediction", mutual=True)
    app.run()
    assert not app.metric
    app.button(key="finder_start").click().run()
    assert "by predictions, aggregation α = 0.5, mutual only" in caption(app, "Compared")
    assert metric(app, "Least similarity τ (−KL, nats)").startswith("−")


def test_another_target_asks_anew(world):
    app = open_world(world)
    app.button(key="finder_start").click().run()
    app.button(key="target_use_003").click().run()
    assert not app.metric
    app.button(key="target_use_001").click().run()
    assert app.metric  # kept


def test_a_search_that_was_stopped_keeps_what_it_found_and_goes_on(world, tmp_path):
    app = open_world((shutil.copytree(world[0], tmp_path / "source"), *world[1:]), looked_at=2)
    assert "Stopped after 2 of 6 sources" in app.info[0].value
    assert len([button for button in app.button if (button.key or "").startswith("finder_use_")]) == 2
    app.button(key="finder_start").click().run()
    assert not app.info
    assert metric(app, "All together") == f"{core_coverage(world, FolderDataset(world[0]).names, 0.1).covered:.1%}"


def test_uploads_are_sources_too(world):
    app = open_world(world)
    source = FolderDataset(world[0])
    files = {f"{name}.png": source.image_path(name).read_bytes() for name in source.names[:3]}
    labels = {f"{name}.png": source.listing.labels[name].read_bytes() for name in source.names[:3]}
    add(app, "source", files, labels)
    assert not sentences(app)
    app.button(key="finder_start").click().run()
    found = core_coverage(world, source.names[:3], 0.1)
    labels = [button.label for button in app.button if (button.key or "").startswith("finder_use_")]
    assert [label.split()[:2] for label in labels] == [[f"**{one.support:.1%}**", one.name] for one in found.ranked]
    app.button(key=next(button.key for button in app.button if (button.key or "").startswith("finder_use_"))).click().run()
    assert app.session_state["choices"]["source"].folder == "upload"


def test_what_labels_of_the_target_add(world, tmp_path):
    app = open_world(world)
    app.button(key="finder_start").click().run()
    assert any("which played no part" in item.value for item in app.caption) or metric(app, "Gap") == "0.0%"
    (tmp_path / "images").mkdir()
    (tmp_path / "images/bare.png").write_bytes(FolderDataset(world[1]).image_path("001").read_bytes())
    app.text_input(key="target_folder_field").set_value(str(tmp_path))
    next(button for button in app.button if button.key and button.key.startswith("target_open")).click().run()
    app.button(key="target_use_bare").click().run()
    app.button(key="finder_start").click().run()
    assert caption(app, "Labels of the target would tell")


def test_sources_that_cannot_be_read_are_left_out_or_one_sentence(world, tmp_path):
    copy = (shutil.copytree(world[0], tmp_path / "source"), *world[1:])
    FolderDataset(copy[0]).image_path("002").write_bytes(b"no picture")
    app = open_world(copy)
    app.button(key="finder_start").click().run()
    assert "Left out: 002.png must be" in sentences(app).replace("\\", "")
    assert len([button for button in app.button if (button.key or "").startswith("finder_use_")]) == 5
    for name in FolderDataset(copy[0]).names:
        FolderDataset(copy[0]).image_path(name).write_bytes(b"no picture, none at all")
    app.button(key="finder_start").click().run()
    assert "None of the 6 source images can be used" in sentences(app)
    assert not app.exception
