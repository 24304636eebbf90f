"""Links and pictures of README and docs lead somewhere, and no picture lies there unshown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import PAGES, find_anchors, find_links, make_anchor

PICTURES = {".png", ".jpg", ".svg"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path):
    for link in find_links(page):
        if re.match(r"[a-z]+:", link):
            continue  # elsewhere; nothing is fetched
        name, _, anchor = link.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {link}, which is not there"
        assert file.is_relative_to(ROOT), f"{page.name} links to {link}, outside the project"
        if anchor:
            assert anchor in find_anchors(file), f"{page.name} links to {link}: no such heading"


def test_every_picture_is_shown_on_some_page():
    shown = {(page.parent / link).resolve() for page in PAGES for link in find_links(page)}
    pictures = {file for file in (ROOT / "docs/pictures").rglob("*") if file.suffix in PICTURES}
    assert pictures - shown == set()


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, f"docs/README.md does not name {page.name}"


def test_pictures_have_words_for_those_who_cannot_see_them():
    for page in PAGES:
        for words, link in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert len(words) > 10, f"{page.name}: {link} has no words"


def test_anchors_are_made_as_on_the_web():
    assert make_anchor("What it gains, and `why` (not)") == "what-it-gains-and-why-not"
