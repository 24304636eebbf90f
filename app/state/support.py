"""The source finder: what is asked, how far it has come, and what was found; kept for all sessions, bounded, by content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.state import cache, folders, session, uploads
from app.state.caching import Kept, cached
from app.state.collections import Shown
from app.state.session import UPLOADS, Choice
from pca_core.analysis.coverage_gap import Coverage, find_threshold, judge_matches, measure_coverage
from pca_core.analysis.support import SupportSearch, find_support
from pca_core.association import AssociationConfig
from pca_core.data import FolderDataset, content_hash, encode_jpeg, resize_image, resize_label
from pca_core.data.inspection import choose_evenly
from pca_core.render import overlay_gap, overlay_values
from pca_core.types import Sample

MAX_KEPT = 8  # searches; of 40 sources and 8,192 target pixels each takes 2 MB
PICTURE_WIDTH = 1024


class _Uploaded:
    """Uploads as a sequence of samples that are decoded one at a time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return session.get_sample("source", Choice(UPLOADS, self.names[index]))


@dataclass(frozen=True, eq=False)
class Question:
    """Which of these sources support the chosen target, under the net and the switches of this session?

    Attributes:
        key: Changes when anything in it does.
        target: The chosen target.
        folder: Where the sources are, for :class:`~app.state.session.Choice`.
        sources: To look at, read one at a time.
        config: Of the association.
    """

    key: str
    target: Sample
    folder: str
    sources: FolderDataset | _Uploaded
    config: AssociationConfig


def _unknown() -> str:
    return st.session_state.get("unknown", "error")


def ask(shown: Shown, count: int) -> Question:
    """The question for the chosen target and at most ``count`` of the sources in sight, evenly spread.

    Raises:
        InputError: When the target or the folder cannot be read.
    """
    target, path = session.get_sample("target"), session.get_checkpoint_path()
    names = choose_evenly(shown.names, count)
    if shown.folder == UPLOADS:
        sources = _Uploaded(names)
        kept = uploads.get_uploads("source")
        stamp = "|".join(kept[name].content for name in names)
    else:
        space = cache.get_checkpoint(path).label_space
        convention = folders.get_convention("source", shown.folder)
        dataset = cache.get_dataset(shown.folder, "source", _unknown(), space, convention)
        sources = dataset.subset(names)
        stamp = f"{shown.folder}|{_unknown()}|{convention}|{sources.fingerprint}"
    config = session.get_config()
    label = "" if target.label is None else content_hash(target.label)
    parts = [content_hash(target.image), label, stamp, path, str(Path(path).stat().st_mtime_ns), repr(config)]
    return Question(content_hash("|".join(parts).encode()), target, shown.folder, sources, config)


@st.cache_resource(show_spinner=False)
def _searches() -> Kept[str, SupportSearch]:
    return Kept(MAX_KEPT)


def look(question: Question) -> Iterator[SupportSearch]:
    """Look at one source after the other, from where it was stopped; what was found so far is kept, wherever this stops.

    Raises:
        InputError: When none of the sources, or the target, can be used.
    """
    kept, net = _searches(), cache.get_checkpoint(session.get_checkpoint_path())
    for search in find_support(
        net, question.target.image, question.sources, question.config, cache.MAX_SIMILARITIES, kept.get(question.key)
    ):
        kept.put(question.key, search)
        yield search


def get_search(question: Question) -> SupportSearch | None:
    """What was found so far; None where nothing was looked for or nothing could be used."""
    search = _searches().get(question.key)
    return search if search is not None and search.sources else None


@dataclass(frozen=True, eq=False)
class Findings:
    """What the page shows of a search under one strictness.

    Attributes:
        coverage: Ranking and gap.
        pictures: JPEG of the target by view: ``"gap"``, ``"similarity"`` and ``"image"``.
        judged: How often the best match has the right class, in the supported part and in the gap; None without target labels.
    """

    coverage: Coverage
    pictures: dict[str, bytes]
    judged: tuple[float, float] | None


def get_findings(question: Question, search: SupportSearch, drop: float) -> Findings:
    """Rank and map; ``drop`` is the share of matches within the source that a match may be worse than."""
    return _find(question.key, search.num_seen, drop, search, question.target)


@cached(16)
def _find(key: str, num_seen: int, drop: float, _search: SupportSearch, _target: Sample) -> Findings:
    coverage = measure_coverage(_search, find_threshold(_search.reference, drop))
    height, width = _target.image.shape[:2]
    image = resize_image(_target.image, (max(1, round(height * PICTURE_WIDTH / width)), PICTURE_WIDTH))
    pictures = {
        "gap": overlay_gap(image, coverage.is_gap),
        "similarity": overlay_values(image, coverage.best_similarity),
        "image": image,
    }
    label = _target.label
    judged = None if label is None else judge_matches(coverage, resize_label(label, coverage.is_gap.shape))
    return Findings(coverage, {name: encode_jpeg(picture, 88) for name, picture in pictures.items()}, judged)
