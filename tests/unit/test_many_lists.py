"""Lists of pairs as people write them, pairs made of two data sets, and what is said of those that cannot be used."""

from __future__ import annotations

from collections import Counter

import pytest

from pca_core.checks import InputError
from pca_core.data import FolderDataset
from pca_core.many import pair_datasets, read_pair_list
from pca_core.many.pair_list import BLOCK
from tests.unit.training_data import make_data

WITH_LABEL, WITHOUT = ("a.png", "a_ids.png", "b.png", "b_ids.png"), ("a.png", "a_ids.png", "c d.png", None)


def listed(pairs, folder) -> list[tuple[str | None, ...]]:
    files = [(source.image, source.label, target.image, target.label) for source, target in pairs]
    return [tuple(None if path is None else str(path.relative_to(folder)) for path in row) for row in files]


@pytest.mark.parametrize(
    "text",
    [
        "a.png,a_ids.png,b.png,b_ids.png\na.png,a_ids.png,c d.png\n",  # the fixed order
        "a.png,a_ids.png,b.png,b_ids.png\r\na.png,a_ids.png,c d.png,",  # from a spreadsheet, no line end behind the last
        "\ufeffsource,source_label,target,target_label\na.png,a_ids.png,b.png,b_ids.png\n\na.png,a_ids.png,c d.png,\n",  # header
        "target\tsource\ttarget_label\tsource_label\nb.png\ta.png\tb_ids.png\ta_ids.png\nc d.png\ta.png\t\ta_ids.png\n",  # TSV
        '# pairs\nsource, source_label, target, target_label\na.png, a_ids.png, b.png, b_ids.png\na.png,a_ids.png,"c d.png",\n',
    ],
)
def test_a_list_in_any_form(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode())
    pairs = read_pair_list(path)
    assert len(pairs) == 2
    assert listed(pairs, tmp_path) == listed(pairs, tmp_path) == [WITH_LABEL, WITHOUT], "each iteration reads it anew"


def test_a_text_file_with_spaces(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("a.png  a_ids.png b.png b_ids.png\n")
    assert listed(read_pair_list(path), tmp_path) == [WITH_LABEL]
    path.write_text(f"/data/a.png /data/a_ids.png {tmp_path}/b.png\n")
    ((source, target),) = read_pair_list(path)
    assert (str(source.image), target.image) == ("/data/a.png", tmp_path / "b.png"), "absolute paths stay"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "names no pair"),  # nothing
        (b"source,source_label,target\n# one day\n", "names no pair"),  # a header alone
        (b"a.png,a_ids.png\n", "Line 1 of"),  # a column short
        (b"a.png,a_ids.png,b.png\na.png,,b.png\n", "Line 2 of"),  # a source without a label
        (b"a.png,a_ids.png,b.png,b_ids.png,c.png\n", "it has 5 columns"),  # one too many
        (b"source,label,target\na,b,c\n", "it has 'label'"),  # a column of another name
        (b"source,target\na,b\n", "it lacks source_label"),  # a column missing
        (b"source,source,source_label,target\n", "each once"),  # a column twice
        (b"\x89PNG\r\n\x1a\n\0\0\xff\xd8", "cannot be read as a list of pairs"),  # a picture
        (b'"a.png,a_ids.png,b.png\n', "cannot be read as a list of pairs"),  # a quotation mark that never closes
        (None, "cannot be read as a list of pairs"),  # a misspelt name
    ],
)
def test_what_is_no_list_is_one_sentence(tmp_path, content, words):
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_pair_list(path)
    assert caught.value.code == "PAIRS_LIST"
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six images, five of them labelled, and three."""
    root = tmp_path_factory.mktemp("pairs")
    target = FolderDataset(make_data(root / "b", 3))
    return FolderDataset(make_data(root / "a", 6, labelled=5)), target.subset(target.names, is_labelled=False)


def names(pairs) -> list[str]:
    return [source.name + target.name for source, target in pairs]


def test_all_pairs_once_with_few_images_at_a_time(data):
    pairs = pair_datasets(*data, "all")
    assert len(pairs) == 15
    assert Counter(names(pairs)) == Counter(f"{a}{b}" for a in range(5) for b in range(3))
    assert names(pairs)[: BLOCK + 1] == ["00", "10", "20", "30", "01"]


def test_random_pairs_differ_and_follow_their_seed(data):
    first, second = (names(pair_datasets(*data, "random:7", seed)) for seed in (0, 1))
    assert len(set(first)) == 7
    assert names(pair_datasets(*data, "random:7", 0)) == first == sorted(first), "those of one source together"
    assert first != second
    assert len(set(names(pair_datasets(*data, "random:15")))) == 15, "all that there are"


def test_zip_and_what_does_not_fit(data):
    source, target = data
    assert names(pair_datasets(source.subset(["0", "1", "2"]), target, "zip")) == ["00", "11", "22"]
    for rule, words in (
        ("zip", "5 labelled ones and 3"),
        ("random:16", "N from 1 to 15"),
        ("random:0", "N from 1 to 15"),
        ("random", "got 'random'"),
        ("every", "zip, all or random:N"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            pair_datasets(source, target, rule)
        assert caught.value.code == "PAIRING"
    with pytest.raises(InputError, match="needs labels"):
        pair_datasets(target, target, "all")
