"""Uploads through the real child: the same pixels as from a file, the same refusals, and a server that outlives the child."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES, decoders, encode_jpeg, encode_png, read_image, read_label, resize_label
from pca_core.data.conventions import parse_ids
from pca_core.data.decoders import Decoders
from pca_core.data.untrusted import MAX_BYTES, take_image, take_label
from tests.conftest import ROOT
from tests.fuzz.crafted import encode, followed, png
from tests.property.test_images_property import SEEDS

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of damaged metadata
SPACE = LABEL_SPACES["camvid-11"]
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
IDS = RNG.integers(0, 11, (40, 60), dtype=np.uint8)


@pytest.fixture
def own(monkeypatch):
    """Children of this test alone."""
    made = Decoders()
    monkeypatch.setattr("pca_core.data.untrusted.DECODERS", made)
    yield made
    made.close()


def refused(code: str, call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    return str(caught.value)


def outcome(call):
    """Pixels, or the refusal with its sentence."""
    try:
        return call()
    except InputError as error:
        return error.code, str(error)


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_the_child_reads_what_the_decoder_reads(seed):
    for data in (seed, seed[: len(seed) // 2], seed[:20]):
        direct = outcome(lambda data=data: read_image(data, name="a"))
        taken = outcome(lambda data=data: take_image(data, "a").pixels)
        if isinstance(direct, tuple):
            assert taken == direct
        else:
            np.testing.assert_array_equal(taken, direct)
    direct = outcome(lambda: read_label(seed, SPACE, unknown="ignore", name="a"))
    taken = outcome(lambda: take_label(seed, "a", SPACE, unknown="ignore"))
    if isinstance(direct, tuple):
        assert taken == direct
    else:
        np.testing.assert_array_equal(taken.ids, direct.ids)
        assert taken.unknown == direct.unknown


def test_nothing_but_pixels_is_kept():
    exif = Image.Exif()
    exif[270] = exif[33432] = "the secret garden"
    exif[274] = 6
    file = BytesIO()
    Image.fromarray(PHOTO).save(file, "PNG", exif=exif)
    assert b"secret garden" in file.getvalue()
    taken = take_image(file.getvalue(), "a.png")
    kept = taken.encode()
    assert b"secret" not in kept
    assert Image.open(BytesIO(kept)).info == {}
    np.testing.assert_array_equal(read_image(kept), np.rot90(PHOTO, -1))


def test_what_needs_no_decoder_starts_none(own):
    assert "51 MB" in refused("IMAGE_TOO_LARGE", take_image, b"\x89PNG\r\n\x1a\n" + bytes(MAX_BYTES + 2**20), "big.png")
    refused("IMAGE_EMPTY", take_image, b"", "a.png")
    for data in (b"GIF89a", b"%!PS-Adobe", b"<svg>", b"BM", b"\0\0\1\0", b"PK\x03\x04"):
        refused("IMAGE_FORMAT", take_image, data, "a.png")
    assert own.pids == []


def test_a_file_that_is_wrong_in_two_ways_is_refused_for_the_first(monkeypatch):
    """Size of the file, first bytes, header (size before frames), pixels, kind of numbers: in this order."""
    animated = encode(Image.fromarray(PHOTO), "PNG", **followed(70))
    large = png(6000, 7000, b"no pixels at all")
    assert refused("IMAGE_TOO_LARGE", take_image, large, "a") == refused("IMAGE_TOO_LARGE", take_image, large[:60], "a")
    refused("IMAGE_FRAMES", take_image, animated[:-400], "a")  # and cut off
    refused(
        "IMAGE_BROKEN", take_image, encode(Image.fromarray(PHOTO[..., 0].astype(np.float32)), "TIFF")[:-900], "a"
    )  # and of floats
    monkeypatch.setattr("pca_core.data.untrusted.MAX_BYTES", 100)
    refused("IMAGE_TOO_LARGE", take_image, b"no picture" * 99, "a")
    refused("IMAGE_FORMAT", take_image, b"no picture", "a")


def test_a_bomb_is_refused_from_its_header(own):
    file = BytesIO()
    Image.new("L", (12_000, 12_000)).save(file, "PNG")
    assert "144,000,000 pixels" in refused("IMAGE_TOO_LARGE", take_image, file.getvalue(), "a.png")
    assert psutil.Process(own.pids[0]).memory_info().rss < 120 * 2**20  # it took no memory for the pixels


def test_label_maps_of_another_size_are_fitted_on_consent_only():
    data = encode_png(IDS)
    refused("LABEL_SIZE", take_label, data, "a.png", SPACE, size=(80, 90))
    fitted = take_label(data, "a.png", SPACE, size=(80, 90), wrong_size="nearest").ids
    np.testing.assert_array_equal(fitted, resize_label(IDS, (80, 90)))
    assert set(np.unique(fitted)) <= set(np.unique(IDS))


def test_label_maps_are_read_by_palette_colour_and_id_map():
    np.testing.assert_array_equal(take_label(encode_png(IDS, SPACE.palette), "a", SPACE).ids, IDS)
    colours = np.array(SPACE.palette, np.uint8)[IDS]
    np.testing.assert_array_equal(take_label(encode_png(colours), "a", SPACE).ids, IDS)
    np.testing.assert_array_equal(take_label(encode_png(IDS + 7), "a", SPACE, id_map={i + 7: i for i in range(11)}).ids, IDS)
    strange = np.where(IDS == 3, 99, IDS).astype(np.uint8)
    assert f"99 ({(IDS == 3).sum()} pixels)" in refused("LABEL_UNKNOWN_IDS", take_label, encode_png(strange), "a", SPACE)
    assert take_label(encode_png(strange), "a", SPACE, unknown="ignore").unknown == {99: (IDS == 3).sum()}
    refused("LABEL_LOSSY", take_label, encode_jpeg(PHOTO), "a", SPACE)


def test_ids_by_hand_go_beside_the_classes():
    road, sky = (SPACE.class_names.index(name) for name in ("road", "sky"))
    by_hand = parse_ids("200 = road, #010203 = Sky,\n 34 =", SPACE)
    assert by_hand == {200: road, 0x010203: sky, 34: 255}
    raw = np.array([[0, 1, 200], [34, 255, 5]], np.uint8)
    wanted = np.array([[0, 1, road], [255, 255, 5]])
    np.testing.assert_array_equal(take_label(encode_png(raw), "a", SPACE, further_ids=by_hand).ids, wanted)
    colours = np.array([[SPACE.palette[2], (1, 2, 3)]], np.uint8)
    np.testing.assert_array_equal(take_label(encode_png(colours), "a", SPACE, further_ids=by_hand).ids, [[2, sky]])
    refused("LABEL_UNKNOWN_IDS", take_label, encode_png(np.zeros((1, 1, 3), np.uint8)), "a", SPACE, further_ids=by_hand)  # black


@pytest.mark.parametrize(
    "text", ["road", "200", "200 = raod", "x = road", "#12345 = road", "1e3 = road", "= road", "9999999999 = road"]
)
def test_ids_by_hand_that_cannot_be_read_are_named(text):
    assert text in refused("LABEL_ID_MAP", parse_ids, text, SPACE)


def test_a_child_may_do_little(own):
    take_image(encode_png(PHOTO), "a.png")
    (pid,) = own.pids
    limits = {line[:26].strip(): line[26:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]}
    assert limits["Max address space"] == [str(2**30)] * 2
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == ["4", "4"]  # in, out, errors, answers: a socket would be a fifth
    assert int(limits["Max cpu time"][0]) < 12
    assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
    assert b"CYCLELENS" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_children_stay_warm_and_are_replaced(own, monkeypatch):
    monkeypatch.setattr(decoders, "FILES", 3)
    seen = []
    for _ in range(6):
        take_image(encode_png(PHOTO), "a.png")
        seen += own.pids
    assert len(set(seen)) == 2
    assert len(seen) == 4  # the third file of each was its last
    own.warm_up()
    (pid,) = own.pids
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(5)
    np.testing.assert_array_equal(take_image(encode_png(PHOTO), "a.png").pixels, PHOTO)
    assert own.pids != [pid]


def test_a_child_that_hangs_is_ended_and_the_next_file_is_read(own, monkeypatch):
    take_image(encode_png(PHOTO), "a.png")
    (pid,) = own.pids
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(decoders, "SECONDS", 0.3)
    assert "0.3 s" in refused("IMAGE_TIMEOUT", take_image, encode_png(PHOTO), "a.png")
    assert not psutil.pid_exists(pid)
    monkeypatch.undo()
    np.testing.assert_array_equal(take_image(encode_png(PHOTO), "a.png").pixels, PHOTO)


def test_a_child_that_dies_of_a_file_is_one_sentence(own):
    take_image(encode_png(PHOTO), "a.png")
    (pid,) = own.pids
    os.kill(pid, signal.SIGSTOP)  # it dies while it has the file
    for seconds, number in ((0.3, signal.SIGSEGV), (0.35, signal.SIGCONT)):
        threading.Timer(seconds, os.kill, (pid, number)).start()
    assert "try again" in refused("IMAGE_DECODER", take_image, encode_png(PHOTO), "a.png")
    np.testing.assert_array_equal(take_image(encode_png(PHOTO), "a.png").pixels, PHOTO)


@pytest.mark.parametrize(
    ("told", "content"),
    [
        ({"shape": [2, 2, 3], "unknown": []}, bytes(11)),  # too few numbers
        ({"shape": [-2, -2, 3], "unknown": []}, bytes(12)),  # no such array
        ({"shape": [2, 2, 4], "unknown": []}, bytes(16)),  # of another kind
        ({"shape": [0, 2, 3], "unknown": []}, b""),  # no pixels
        ({"code": "<script>", "message": "x"}, b""),  # no code of ours
        ({"code": ["IMAGE_BROKEN"], "message": "x"}, b""),
        ({"code": "IMAGE_BROKEN"}, b""),  # no sentence
        ({}, b""),
        ({"shape": None, "unknown": []}, b""),
        ({"shape": ["x"], "unknown": []}, b""),
        ({"shape": [float("inf")], "unknown": []}, b""),
        ({"shape": [2, 2, 10**30], "unknown": []}, bytes(12)),
        ({"shape": [2, 2, 3]}, bytes(12)),  # nothing said of unknown ids
    ],
)
def test_an_answer_that_cannot_be_is_not_believed(own, monkeypatch, told, content):
    monkeypatch.setattr(own, "decode", lambda *_: (told, content))
    refused("IMAGE_DECODER", take_image, encode_png(PHOTO), "a.png")
    refused("IMAGE_DECODER", take_label, encode_png(IDS), "a.png", SPACE)


@pytest.mark.parametrize(
    ("unknown", "shape", "ids"),
    [
        ([], [1, 2], [0, 200]),  # no class: it would end a CUDA context
        ([], [1, 2], [0, 11]),  # the first beyond the classes
        ([], [2, 1], [0, 255]),  # of another size than its image
        (None, [1, 2], [0, 255]),
        ([[1]], [1, 2], [0, 255]),
        ([[float("inf"), 1]], [1, 2], [0, 255]),
    ],
)
def test_a_label_map_that_cannot_be_is_not_believed(own, monkeypatch, unknown, shape, ids):
    monkeypatch.setattr(own, "decode", lambda *_: ({"shape": shape, "unknown": unknown}, bytes(ids)))
    refused("IMAGE_DECODER", take_label, encode_png(IDS), "a.png", SPACE, size=(1, 2))
    monkeypatch.setattr(own, "decode", lambda *_: ({"shape": [1, 2], "unknown": [[7, 3]]}, bytes([10, 255])))
    assert take_label(encode_png(IDS), "a.png", SPACE, size=(1, 2)).unknown == {7: 3}


@pytest.mark.parametrize("text", [b'{"shape": ' + b"[" * 10**6, b"\xff{}", b"[]", b'{"shape": [' + b"9" * 10**5 + b"]}"])
def test_an_answer_that_cannot_be_read_ends_its_child(own, monkeypatch, tmp_path, text):
    (tmp_path / "frame").write_bytes(struct.pack(">IQ", len(text), 0) + text)
    command = ["sh", "-c", 'cat "$0"; exec sleep 60', str(tmp_path / "frame")]
    monkeypatch.setattr(decoders.limited, "make_command", lambda *_: command)
    refused("IMAGE_DECODER", take_image, encode_png(PHOTO), "a.png")
    assert own.pids == []


def test_many_threads_share_two_children(own):
    wrong = []

    def work(number: int) -> None:
        image = np.full((30, 40, 3), number, np.uint8)
        for _ in range(5):
            if not (take_image(encode_png(image), "a.png").pixels == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(own.pids) <= 2


def test_children_end_with_the_server():
    code = (
        "import os, sys; from pca_core.data.decoders import DECODERS; DECODERS.warm_up(); print(DECODERS.pids[0], flush=True);"
        "sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    pid = int(server.stdout.readline())
    assert psutil.pid_exists(pid)
    server.kill()
    server.communicate()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
