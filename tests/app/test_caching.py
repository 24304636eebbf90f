"""What a server keeps for all sessions is bounded by number and by time, whoever asks."""

from __future__ import annotations

import ast
import threading
from datetime import timedelta

import numpy as np
import pytest

from app.state import address, cache
from app.state.caching import Kept
from pca_core.data import encode_png
from tests.conftest import ROOT


def test_that_which_was_not_asked_for_the_longest_goes_first():
    kept = Kept(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert [kept.get(key) for key in "abc"] == [1, None, 3]
    kept.put("a", 4)
    kept.put("d", 5)
    assert [kept.get(key) for key in "abcd"] == [4, None, None, 5]
    assert len(kept) == 2


def test_nothing_old_is_given():
    kept = Kept(2, timedelta(0))
    kept.put("a", 1)
    assert kept.get("a") is None
    assert len(kept) == 0
    made = []
    for _ in range(2):
        kept.get_or_put("a", lambda: made.append(1) or 7)
    assert len(made) == 2
    lasting = Kept(2, None)
    lasting.put("a", 1)
    assert lasting.get("a") == 1


def test_threads_make_one_value_and_never_too_many():
    kept, made, barrier, wrong = Kept(8), [], threading.Barrier(6), []

    def ask(number: int) -> None:
        barrier.wait()
        shared = kept.get_or_put("shared", lambda: made.append(number) or object())
        barrier.wait()
        if shared is not kept.get("shared"):
            wrong.append("shared")
        barrier.wait()
        for key in range(500):
            kept.put((number, key), key)
            if len(kept) > 8:
                wrong.append(len(kept))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert wrong == []


def test_folders_and_addresses_that_were_opened_are_bounded(tmp_path, monkeypatch):
    watched, known = Kept(3), Kept(3, None)
    monkeypatch.setattr(cache, "_watched_paths", lambda: watched)
    monkeypatch.setattr(address, "_paths_by_name", lambda: known)
    picture = encode_png(np.zeros((8, 8, 3), np.uint8))
    names = []
    for number in range(5):
        folder = tmp_path / str(number)
        (folder / "images").mkdir(parents=True)
        (folder / "images/a.png").write_bytes(picture)
        assert cache.get_dataset(str(folder), "target").names == ("a",)
        names.append(address.name_path(str(folder)))
        assert address.find_path(names[0]) == str(tmp_path / "0")  # what is in use stays
    assert len(watched) == len(known) == 3
    assert address.find_path(names[1]) is None
    (tmp_path / "0/images/b.png").write_bytes(picture)
    for _ in range(2):  # neither the first look after it was pushed out nor the next one takes the old list
        assert cache.get_dataset(str(tmp_path / "0"), "target").names == ("a", "b")


SINGLE = {"get_supervisor", "get_feature_store"}  # one of each server
CACHING = [path for path in sorted((ROOT / "app").rglob("*.py")) if "st.cache_" in path.read_text(encoding="utf-8")]


def is_bounded(work: ast.FunctionDef) -> bool:
    """Whether what Streamlit keeps of a function is bounded by number and by time."""
    kept = [one for one in work.decorator_list if "st.cache_" in ast.unparse(one)]
    told = {keyword.arg for one in kept if isinstance(one, ast.Call) for keyword in one.keywords}
    return not kept or work.name in SINGLE or {"max_entries", "ttl"} <= told or ast.unparse(work.returns).startswith("Kept[")


@pytest.mark.parametrize("path", CACHING, ids=lambda path: path.stem)
def test_nothing_is_kept_without_bound(path):
    """As docs/reliability.md promises of caches."""
    works = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
    assert [work.name for work in works if not is_bounded(work)] == []


def test_an_unbounded_cache_is_found():
    text = "@st.cache_resource(show_spinner=False)\ndef _scores() -> dict:\n    return {}"
    assert not is_bounded(ast.parse(text).body[0])
    assert len(CACHING) >= 5
