"""Many people at once: no error, nobody waits for a slow one, nobody sees what is another's, and memory stays where it is."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from pca_core.data import encode_png
from tests.soak.client import Visitor
from tests.soak.conftest import TAB_SECONDS, Server

PIXELS = 4000  # all of them on both maps of the built-in pair
PAGES = ("associations", "segmentation", "images", "")
WARM_CLICKS = 100  # the heap has grown to what a click borrows by then
TROUGH = 20  # clicks
UNREAD = 60  # pages that one asks for and does not read


@pytest.fixture(scope="module")
def server(start) -> Server:
    return start()


@contextmanager
def visiting(server: Server, count: int) -> Iterator[list[Visitor]]:
    with ThreadPoolExecutor(count) as pool:
        visitors = list(pool.map(lambda _: Visitor(server.address), range(count)))
    try:
        yield visitors
    finally:
        for visitor in visitors:
            visitor.close()


def stroll(visitor: Visitor, clicks: int, seed: int) -> list[float]:
    """Click, look at a page, come back: seconds of each click."""
    draw, seconds = random.Random(seed), []
    for number in range(clicks):
        if number % 5 == 4:
            visitor.switch(PAGES[draw.randrange(3)])
            visitor.switch("")
        seconds.append(visitor.click(draw.randrange(PIXELS), draw.choice(("source", "target"))))
    return seconds


def stroll_together(server: Server, sessions: int, clicks: int) -> tuple[list[float], float]:
    """Seconds of all clicks, and the most memory on the way."""
    with visiting(server, sessions) as visitors, ThreadPoolExecutor(sessions) as pool:
        walks = [pool.submit(stroll, visitor, clicks, seed) for seed, visitor in enumerate(visitors)]
        peak = server.megabytes
        while not all(walk.done() for walk in walks):
            peak = max(peak, server.megabytes)
            time.sleep(0.1)
        seconds = [one for walk in walks for one in walk.result()]
        assert [visitor.exceptions for visitor in visitors] == [[]] * sessions
    return seconds, peak


def describe(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.2f} s, p95 {np.quantile(seconds, 0.95):.2f} s"


def grow(server: Server, clicks: int, warm_clicks: int) -> float:
    """Megabytes that clicks on ever other pixels leave behind, from trough to trough: what a click borrows comes and goes."""
    draw = random.Random(1)

    def click(count: int) -> float:
        sizes = []
        for _ in range(count):
            visitor.click(draw.randrange(PIXELS))
            visitor.heard.clear()
            sizes.append(server.megabytes)
        return min(sizes[-TROUGH:])

    with visiting(server, 1) as (visitor,):
        server.wait_until_idle()  # pages that nobody has opened yet are loaded in the background
        before = click(warm_clicks)
        growth = click(clicks) - before
        assert visitor.exceptions == []
        return growth


def test_four_sessions_click_at_once(server, tell):
    seconds, peak = stroll_together(server, sessions=4, clicks=5)
    assert len(seconds) == 20
    tell(8, f"4 sessions × 5 clicks without an error: {describe(seconds)}, {peak:.0f} MB")


def test_sixty_clicks_leave_nothing_behind(server, tell):
    growth = grow(server, 60, WARM_CLICKS)
    tell(9, f"60 clicks: {growth:+.1f} MB")
    assert growth <= 50, "a picture kept per click would be 100 MB"


def test_what_is_one_persons_is_nobody_elses(server, tell):
    """A nonce in the name of an upload and a pixel of one's own: neither appears in what another session hears."""
    nonces = [f"nonce{number}{random.Random(number).getrandbits(64):x}" for number in range(3)]
    with visiting(server, len(nonces)) as visitors:
        for number, (visitor, nonce) in enumerate(zip(visitors, nonces, strict=True)):
            visitor.click(1111 * (number + 1))
            visitor.switch("images")
            visitor.choose("target_from", "My uploads")
            pixels = np.full((48, 64, 3), 60 * number, np.uint8)
            visitor.upload("target_upload_image", "target_add", f"{nonce}.png", encode_png(pixels))
        for visitor in visitors:
            visitor.switch("")
            visitor.switch("images")
        for number, visitor in enumerate(visitors):
            heard = b"\n".join(visitor.heard)
            assert max(map(len, visitor.heard)) > 2**18, "pictures too: nothing that was sent is left out"
            assert [nonce.encode() in heard for nonce in nonces] == [nonce == nonces[number] for nonce in nonces]
            pins = [b"pixel=source-%d" % (1111 * (other + 1)) in heard for other in range(len(nonces))]
            assert pins == [other == number for other in range(len(nonces))]
            assert visitor.exceptions == []
    tell(8, f"{len(nonces)} sessions with uploads and pins: none heard of another's")


def test_a_file_without_the_browsers_secret_is_refused(server):
    """Another page could send a file in somebody's name, but not read the cookie that must be repeated."""
    with visiting(server, 1) as (visitor,):
        visitor.put("mine.png", b"1")
        for wrong in ("", "2|00000000|00000000000000000000000000000000|1"):
            with pytest.raises(AssertionError, match="403"):
                visitor.put("theirs.png", b"1", xsrf=wrong)


@pytest.mark.soak
def test_one_who_reads_nothing_holds_up_nobody(server, tell):
    with visiting(server, 2) as (slow, quick):
        server.wait_until_idle()
        alone, beside = [], []
        for number in range(UNREAD // 2):  # the same while the slow one still reads: the heap has grown to what that borrows
            slow.heard.clear()
            slow.switch("")
            alone.append(quick.click(number * 50))
        sent = UNREAD * sum(map(len, slow.heard)) / 2**20  # two megabytes of pictures a time
        before = server.megabytes
        for number in range(UNREAD):
            slow.ask_for_run()
            beside.append(quick.click(number * 50))
            time.sleep(0.3)
        assert quick.exceptions == []
        growth = server.megabytes - before
    tell(8, f"alone: {describe(alone)}; beside one who reads none of {sent:.0f} MB: {describe(beside)}, {growth:+.0f} MB")
    assert statistics.median(beside) <= max(2, 5 * statistics.median(alone))
    assert sent > 130, "less proves nothing: it could all be kept"
    assert growth < 100


def test_a_closed_tab_is_let_go(server, tell):
    def count_bytes() -> float:
        return sum(value for labels, value in server.read_metrics("cache_memory_bytes").items() if "ploaded" in labels)

    with visiting(server, 3) as visitors:
        for visitor in visitors:
            visitor.put("large.png", bytes(2**20))
        assert count_bytes() >= 3 * 2**20
        assert sum(server.read_metrics("active_sessions").values()) == 3
    time.sleep(TAB_SECONDS + 0.5)
    Visitor(server.address).close()  # Streamlit lets go of what is too old when the next one goes
    deadline = time.monotonic() + 20
    while count_bytes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert count_bytes() == 0
    assert sum(server.read_metrics("active_sessions").values()) == 0
    tell(9, "3 closed tabs: their files are gone from memory, no session is left")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twenty_sessions(start, tell):
    seconds, peak = stroll_together(start(), sessions=20, clicks=15)
    tell(8, f"20 sessions × 15 clicks without an error: {describe(seconds)}, {peak:.0f} MB")
    assert np.quantile(seconds, 0.95) <= 3
    assert peak <= 1536


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_clicks(start, tell):
    growth = grow(start(), 1000, WARM_CLICKS)
    tell(9, f"1,000 clicks: {growth:+.1f} MB")
    assert growth <= 50


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_hundred_tabs_come_and_go(start, tell):
    server, sizes = start(), []
    for _ in range(10):
        with visiting(server, 10) as visitors:
            for visitor in visitors:
                visitor.put("large.png", bytes(5 * 2**20))
        time.sleep(TAB_SECONDS + 0.5)
        Visitor(server.address).close()
        time.sleep(0.5)
        sizes.append(server.megabytes)
    growth = sizes[-1] - sizes[2]
    tell(9, f"100 tabs with 5 MB each came and went: {growth:+.1f} MB from the 30th on")
    assert growth <= 50
