"""Promise 3: names never become paths or markup. Ten thousand of them, fifty at a time."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.state import address
from app.state.defaults import BUILT_IN_NAMES
from app.state.probes import MAX_NAME, clean_name
from app.text import escape
from app.views.images import _legend
from pca_core.checks import InputError, tidy
from pca_core.data import encode_png, read_label_space
from pca_core.data.archives import Archive
from pca_core.runs import RunStore
from pca_core.runs.intake import take_images
from tests.fuzz.crafted import pack

BATCH, BATCHES = 50, 200
PARTS = [
    *("..", ".", "/", "\\", "\0", "~", "C:", "//", "\\\\?\\", "%2e%2e%2f", "..;", "\n", "\r", "\t", "\u202e", "\u200b", "\ud800"),
    *("<script>", "</script>", "<img src=x onerror=alert(1)>", "![a](http://192.0.2.1/x)", "[a](javascript:alert(1))", "<!--"),
    *("`", "```", "$x$", ":material/x:", ":red[a]", "&lt;", "&#60;", "'", '"', "{{x}}", "{0}", "%s", "CON", "images", "labels"),
    *("a", "1. ", "- ", "# ", "> ", "    ", "---", "===", "ä", "漢", "x" * 300, ".png", ".jpg", ".safetensors", "passwd", "etc"),
]
NAMES = st.lists(st.sampled_from(PARTS) | st.text(max_size=12), min_size=0, max_size=7).map("".join)
STORE = RunStore(Path("/nonexistent-state"))
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False, "html": True})
MARKUP = {"html_inline", "html_block", "image", "link_open", "code_inline", "fence"}


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """An empty folder with something above it that must not change."""
    folder = tmp_path_factory.mktemp("names") / "a/b/c"
    folder.mkdir(parents=True)
    return folder


def files_above(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.parents[2].rglob("*") if folder not in path.parents)


@settings(max_examples=BATCHES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(NAMES, min_size=BATCH, max_size=BATCH))
def test_ten_thousand_names(own, names):
    """As a name that is shown, as a member of an archive, as a run or path in an address, as a class."""
    before = files_above(own)
    for name in names:
        check_shown(name)
        check_found(name)
    check_members(own, names)
    check_classes(own, names)
    assert list(own.iterdir()) == []
    assert files_above(own) == before


def check_shown(name: str) -> None:
    """One printable line, and no markup once it is escaped."""
    shown = tidy(name)
    assert 0 < len(shown) <= 63
    assert shown.isprintable()
    assert not set(shown) & set("/\\")
    assert len(clean_name(name)) <= MAX_NAME
    inline = [token for block in MARKDOWN.parse(escape(shown)) for token in [block, *(block.children or [])]]
    assert not {token.type for token in inline} & MARKUP


def check_found(name: str) -> None:
    """It leads to no run and to no path."""
    assert name in BUILT_IN_NAMES or address.find_path(name) is None
    try:
        found = STORE.get(name)
    except InputError as error:
        found = error.code
    assert found == "RUN_NOT_FOUND"


def check_members(own: Path, names: list[str]) -> None:
    """Members of an archive have names, but no places."""
    wanted = {f"{name}.png".encode("utf-8", "replace").decode().replace("\0", ""): b"x" for name in names}
    here = os.getcwd()
    os.chdir(own)
    try:
        archive = Archive(pack({"kept.png": b"x"} | wanted), "names.zip")
        assert set(map(archive.read, archive.members)) == {b"x"}
    finally:
        os.chdir(here)
    for member in archive.members:
        assert ".." not in PurePosixPath(member.name).parts
        assert not member.name.startswith("/")
        assert "\\" not in member.name


def check_classes(own: Path, names: list[str]) -> None:
    """Names of classes.json are text on the page."""
    path = own.parent / "classes.json"
    wanted = list({name.encode("utf-8", "replace").decode(): None for name in names if name.strip()}) or ["one"]
    path.write_text(json.dumps({"name": wanted[0], "class_names": wanted}))
    page = _Tags()
    page.feed(_legend(read_label_space(path)))
    page.close()
    path.unlink()
    assert page.tags == {"div", "span"}
    assert page.attributes == {"style", "aria-label"}
    shown = "".join(page.text.split())
    assert all("".join(name.split()) in shown for name in wanted)


class _Tags(HTMLParser):
    """Tags and text of a piece of HTML, as a browser would take them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(NAMES, min_size=5, max_size=5), st.integers(0, 2**32 - 1))
def test_uploads_are_stored_under_names_of_ours(tmp_path_factory, names, seed):
    root = tmp_path_factory.getbasetemp() / "uploads-property/inner"
    picture = encode_png(np.random.default_rng(seed).integers(0, 256, (2, 3), dtype=np.uint8))
    intake = take_images(root, [(name, picture) for name in names])
    assert intake.folder.parent == root / "uploads"
    assert [path.relative_to(intake.folder).as_posix() for path in intake.folder.rglob("*.*")] == ["images/upload-000.png"]
    assert [path.name for path in root.parent.iterdir()] == ["inner"]
    assert [path.name for path in root.iterdir()] == ["uploads"]
