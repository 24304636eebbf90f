"""What the docs name is there: files, versions, the order of the README, the paper."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from scripts import draw_plots, take_screenshots
from tests.conftest import ROOT
from tests.docs.pages import PAGES, find_inline_code, find_links

FOLDERS = ("app", "pca_core", "tests", "scripts", "docs", "assets", "benchmarks")
ORDER = ("What you can do", "How it works", "Promises", "Figures", "Cite")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path):
    for code in find_inline_code(page):
        name = code.partition("::")[0]
        if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+|requirements[\w-]*\.\w+|Dockerfile|compose.yaml|Makefile", name):
            assert (ROOT / name).exists(), f"{page.name} names {name}, which is not there"


def test_where_formulas_are_said_to_be():
    text = (ROOT / "docs/method.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(\w+(?:/\w+)?\.py)` \|$", text, re.MULTILINE):
        assert (ROOT / "pca_core" / name).exists(), f"docs/method.md names {name}, which is not there"


def test_one_version_everywhere():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]) == version


def test_the_paper_is_cited_alike_in_both_places():
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{{{paper['title']}}}" in readme
    for author in paper["authors"]:
        assert f"{author['family-names']}, {author['given-names']}" in readme


def test_the_readme_goes_from_what_it_is_to_how_to_cite_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    places = [readme.index(f"## {heading}\n") for heading in ORDER]
    assert places == sorted(places)
    assert readme.index("make app") < readme.index("![") < places[0]  # two commands, then a picture


def test_all_ten_promises_are_printed():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promises = readme[readme.index("## Promises") : readme.index("## Figures")]
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", promises, re.MULTILINE)] == list(range(1, 11))
    assert "Not promised" in promises


def test_scripts_make_the_pictures_that_pages_show():
    gallery, plots = (find_links(ROOT / "docs" / name) for name in ("gallery.md", "reading-the-plots.md"))
    pages = {f"pictures/{name}.jpg" for name in take_screenshots.SHOWN} | {"pictures/adapt.png", "pictures/compare.png"}
    assert {link for link in gallery if link.startswith("pictures/")} == pages
    assert {link for link in plots if "plots/" in link} == {f"pictures/plots/{name}.jpg" for name in draw_plots.SHOWN}
