"""Promise 1: no uploaded image crashes the app. Crafted and mutated files go through the real child."""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from pca_core.checks import InputError
from pca_core.data import LABEL_SPACES
from pca_core.data.decoders import MEMORY, SECONDS, Decoders
from pca_core.data.untrusted import take_image, take_label
from tests.conftest import ROOT
from tests.fuzz.crafted import crafted, mutated, ordinary
from tests.unit.test_untrusted import own

__all__ = ["own"]  # the fixture

SPACE = LABEL_SPACES["cityscapes-19"]
SHORT = 500
LONG = int(os.environ.get("FUZZ_FILES", "20000"))
CODES = ("IMAGE_", "LABEL_", "decoded")


class Peak:
    """The most address space that children who wait have taken, looked up after each file; the system limits the others too."""

    def __init__(self, decoders: Decoders) -> None:
        self._decoders, self.waiting = decoders, 0

    def look(self) -> None:
        for pid in self._decoders.pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            self.waiting = max(self.waiting, *(int(line.split()[1]) for line in lines if line.startswith(("VmPeak", "VmHWM"))))


@pytest.fixture
def peak(own) -> Peak:
    return Peak(own)


def outcome(call) -> str:
    try:
        call()
    except InputError as error:
        return error.code if "\n" not in str(error) else f"two lines of {error.code}"
    return "decoded"


def try_files(peak: Peak, count: int, seed: int) -> tuple[Counter, float]:
    """How each file ended, and the longest that one took in seconds."""
    files = itertools.chain(ordinary().items(), crafted().items(), mutated(seed))
    ends, longest = Counter(), 0.0
    for number, (name, data) in enumerate(itertools.islice(files, count)):
        started = time.monotonic()
        is_label = number % 4 == 3
        end = outcome(partial(take_label, data, name, SPACE, unknown="ignore") if is_label else partial(take_image, data, name))
        assert end.startswith(CODES), name
        longest = max(longest, time.monotonic() - started)
        ends[end] += 1
        peak.look()
    return ends, longest


def check(peak: Peak, count: int, seed: int, tell) -> None:
    threads = threading.active_count()
    ends, longest = try_files(peak, count, seed)
    told = ", ".join(f"{code} {number}" for code, number in ends.most_common())
    tell(1, f"{ends.total()} files: {told}; longest {longest:.1f} s; a child at most {peak.waiting / 1024:.0f} MB")
    assert ends.total() == count
    assert longest <= SECONDS + 1
    assert peak.waiting <= MEMORY >> 10
    deadline = time.monotonic() + 5  # a timer that was called off ends a moment later
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads
    assert ends["decoded"] > count / 10
    assert take_image(ordinary()["png"], "a.png").pixels.shape == (13, 9, 3)


def test_500_files_are_decoded_or_refused(peak, tell):
    check(peak, SHORT, 0, tell)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_many_thousand_files_are_decoded_or_refused(peak, tell):
    check(peak, LONG, int(time.time()), tell)


def test_what_guided_fuzzing_kept_is_decoded_or_refused(own):
    files = sorted((Path(__file__).parent / "corpus").iterdir())
    ends = Counter(outcome(partial(take_image, file.read_bytes(), file.name)) for file in files)
    assert all(end.startswith(CODES) for end in ends), ends
    assert ends["decoded"] > 20
    assert len(ends) > 3
    assert sum(file.stat().st_size for file in files) < 300_000


def test_ordinary_files_are_read(own):
    """What a person may well have is read, and what is refused is known."""
    ends = {name: outcome(partial(take_image, data, name)) for name, data in ordinary().items()}
    refused = {name: end for name, end in ends.items() if end != "decoded"}
    assert refused == {"tiff-float": "IMAGE_DEPTH", "tiff-int": "IMAGE_DEPTH", "tiff-lab": "IMAGE_BROKEN"}


@pytest.mark.parametrize(
    ("name", "code"),
    {
        "png-12k": "IMAGE_TOO_LARGE",
        "png-40-megapixels": "decoded",
        "png-claims-2-gigapixels": "IMAGE_TOO_LARGE",
        "png-16-bit-chunk-claims-2-gigabytes": "IMAGE_BROKEN",
        "png-zero-size": "IMAGE_",
        "png-animation-100": "IMAGE_FRAMES",
        "png-text-bomb": "IMAGE_BROKEN",
        "jpeg-claims-65535": "IMAGE_TOO_LARGE",
        "jpeg-huge-exif": "decoded",
        "tiff-frames-70": "IMAGE_FRAMES",
        "tiff-claims-gigabytes": "IMAGE_TOO_LARGE",
        "webp-animation-100": "IMAGE_FRAMES",
        "gif-by-another-name": "IMAGE_FORMAT",
        "nothing": "IMAGE_EMPTY",
    }.items(),
)
def test_crafted_files_have_their_code(own, name, code):
    assert outcome(lambda: take_image(_crafted()[name], name)).startswith(code)


_made: dict[str, bytes] = {}


def _crafted() -> dict[str, bytes]:
    _made.update({} if _made else crafted())
    return _made


def test_a_claimed_length_takes_no_memory():
    """Trusted files are decoded in the caller's process, which no limit guards."""
    program = """
import resource, sys
from pca_core.data import read_image
file = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_image(file)
except Exception as error:
    print(error.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    file = _crafted()["png-16-bit-chunk-claims-2-gigabytes"]
    done = subprocess.run([sys.executable, "-c", program], input=file, capture_output=True, cwd=ROOT, check=True, timeout=120)
    code, mebibytes = done.stdout.split()
    assert code == b"IMAGE_BROKEN"
    assert int(mebibytes) < 50


def test_the_server_itself_takes_no_memory_for_a_bomb(own):
    data = _crafted()["png-12k"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome(lambda: take_image(data, "a.png"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
