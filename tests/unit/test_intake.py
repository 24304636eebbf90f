"""Target images that a person hands over for a run."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from pca_core.checks import InputError
from pca_core.data import FolderDataset, encode_jpeg, encode_png
from pca_core.data.untrusted import take_image
from pca_core.runs.intake import MAX_FILES, Intake, take_images
from tests.conftest import room_for
from tests.fuzz.crafted import pack


def test_uploads_are_kept_under_names_of_our_own(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    files = [
        ("../../evil.png", encode_png(image)),
        ("b.jpg", encode_jpeg(image)),
        ("again.png", encode_png(image)),
        ("<b>.txt", b"no"),
    ]
    intake = take_images(tmp_path, files)
    assert intake.num_images == 2
    assert len(intake.refused) == 1
    dataset = FolderDataset(intake.folder, domain="target")
    assert dataset.names == ("upload-000", "upload-001")
    assert np.array_equal(dataset[0].image, image)
    assert intake.folder.parent == tmp_path / "uploads"
    assert take_images(tmp_path, files).folder == intake.folder
    with monkeypatch.context() as patch:
        patch.setattr("pca_core.runs.intake.take_image", None)  # all of them were taken before: none is decoded again
        again = take_images(tmp_path, [files[0], files[1]])
    assert (again.folder, again.num_images) == (intake.folder, 2)
    packed = pack({"images/a.png": files[0][1], "labels/a.png": files[0][1], "images/b.jpg": files[1][1]})
    assert take_images(tmp_path, [("all.zip", packed)]).folder == intake.folder
    assert take_images(tmp_path, [("x.png", b"broken")]).folder is None
    with pytest.raises(InputError, match="At most"):
        take_images(tmp_path, [("x.png", b"")] * (MAX_FILES + 1))


def test_what_cannot_be_read_is_one_sentence_a_file_and_never_decoded(tmp_path, monkeypatch):
    good = encode_png(np.full((16, 24, 3), 90, np.uint8))
    packed = pack({"good.png": good, "large.png": bytes(9000), "torn.png": bytes(range(256)) * 20}, zipfile.ZIP_STORED)
    packed = packed.replace(bytes(range(256)), bytes(256))  # its checksum is no longer true
    monkeypatch.setattr("pca_core.data.untrusted.MAX_BYTES", 8900)
    monkeypatch.setattr("pca_core.data.archives.MAX_FILE_BYTES", 8900)
    decoded = []
    monkeypatch.setattr("pca_core.runs.intake.take_image", lambda data, name: decoded.append(name) or take_image(data, name))
    files = [("all.zip", packed), ("single.png", bytes(9000)), ("text.png", b"words")]
    for _ in range(2):  # the second time the folder is there
        intake = take_images(tmp_path, files)
        assert intake.num_images == 1
        assert [sentence.split()[0] for sentence in intake.refused] == ["large.png", "all.zip", "single.png", "text.png"]
    assert decoded == ["good.png"]


def test_uploads_of_a_run_have_bounds(tmp_path, monkeypatch):
    files = [(f"{level}.png", encode_png(np.full((16, 24, 3), level, np.uint8))) for level in (1, 2, 3)]
    size = len(take_image(files[0][1], "a").encode())
    monkeypatch.setattr("pca_core.runs.intake.MAX_BYTES", 2 * size + 20)
    first = take_images(tmp_path, files)
    assert first.num_images == 2
    assert [sentence.split()[0] for sentence in first.refused] == ["3.png"]
    monkeypatch.setattr("pca_core.runs.intake.MAX_KEPT", 2 * size - 20)
    assert take_images(tmp_path, files[:2]) == Intake(first.folder, 2, ())  # nothing is added
    monkeypatch.setattr("pca_core.runs.intake.take_image", None)
    with pytest.raises(InputError) as error:
        take_images(tmp_path, files[2:])
    assert error.value.code == "UPLOAD_ROOM"
    assert FolderDataset(first.folder, domain="target").names == ("upload-000", "upload-001")


def test_nothing_is_decoded_for_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "uploads").write_bytes(b"")
    monkeypatch.setattr("pca_core.runs.intake.take_image", None)
    with pytest.raises(InputError) as error:
        take_images(tmp_path, [("a.png", encode_png(np.zeros((4, 4, 3), np.uint8)))])
    assert error.value.code == "FOLDER_READ_ONLY"


def test_a_disk_without_a_byte_is_called_full(tmp_path):
    files = [("a.png", encode_png(np.zeros((4, 4, 3), np.uint8)))]
    with room_for(0), pytest.raises(InputError) as error:
        take_images(tmp_path, files)
    assert error.value.code == "FOLDER_FULL"


def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path):
    """No file may grow beyond four kilobytes, as on a full disk."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    files = [("small.png", encode_png(np.zeros((4, 4, 3), np.uint8))), ("large.png", encode_png(noise))]
    take_image(files[0][1], "small.png")  # the child that decodes is there, with limits of its own
    with room_for(4096), pytest.raises(InputError, match="could not be written") as error:
        take_images(tmp_path, files)
    assert error.value.code == "UPLOAD_DISK"
    assert list((tmp_path / "uploads").iterdir()) == []
    assert take_images(tmp_path, files).num_images == 2
