"""What the Compare page compares: nets by name, and what was computed of them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.state import cache, runs, session
from app.state.caching import Kept, cached
from pca_core.association import AssociationConfig
from pca_core.comparison import ImageComparison, NetScore, PairComparison, compare_image, compare_nets, compare_pair
from pca_core.runs import Run
from pca_core.types import Sample


def list_nets() -> dict[str, str]:
    """Name -> path of every net that can be compared: those of this session, then finished runs, the newest first."""
    nets = {session.name_checkpoint(path): path for path in session.get_checkpoint_paths()}
    for run, _ in runs.list_runs():
        path = run.newest_net
        if path is not None:
            nets[name_run(run)] = str(path)
    return nets


def name_run(run: Run) -> str:
    config = run.request.config
    return f"{config.method} · seed {config.seed} · {run.id[4:13]} {run.id[-4:]}"


def find_run(path: str) -> Run | None:
    """The run that a net came out of."""
    return next((run for run, _ in runs.list_runs() if run.folder in Path(path).parents), None)


def find_controls(path: str) -> dict[str, str]:
    """Name -> path of the other nets of the group of the run that a net came out of."""
    run = find_run(path)
    if run is None or run.request.group is None:
        return {}
    group = [other for other, _ in runs.list_runs() if other.request.group == run.request.group and other.id != run.id]
    return {name_run(other): str(other.newest_net) for other in group if other.newest_net is not None}


def _stamps(*paths: str) -> tuple[int, ...]:
    return tuple(map(cache.stamp_of, paths))


def get_image_comparison(before: str, after: str, sample: Sample, folder: str) -> ImageComparison:
    return _compare_image(before, after, _stamps(before, after), folder, sample.name, sample)


@cached(16, "Both nets look at the image …")
def _compare_image(before: str, after: str, stamps: tuple, folder: str, name: str, _sample: Sample) -> ImageComparison:
    return compare_image(cache.get_checkpoint(before), cache.get_checkpoint(after), _sample)


def get_pair_comparison(before: str, after: str, config: AssociationConfig) -> PairComparison:
    """The session's pair under both nets."""
    source, target = session.get_sample("source"), session.get_sample("target")
    key = source.name, target.name, session.get_choice("source").folder, session.get_choice("target").folder
    return _compare_pair(before, after, _stamps(before, after), key, config, source, target)


@cached(4, "Associating the pair with both nets …")
def _compare_pair(before, after, stamps, key, config, _source: Sample, _target: Sample) -> PairComparison:
    return compare_pair(cache.get_checkpoint(before), cache.get_checkpoint(after), _source, _target, config)


def find_scores(nets: dict[str, str], folder: str) -> list[NetScore] | None:
    """Scores of these nets over this data set, if they were computed in this server already."""
    return _scores().get((tuple(nets.items()), _stamps(*nets.values()), folder))


def compute_scores(nets: dict[str, str], folder: str, progress) -> list[NetScore]:
    """Run every net over every image of a data set; kept for all sessions."""
    loaded = {name: cache.get_checkpoint(path) for name, path in nets.items()}
    dataset = cache.get_dataset(folder, "target", "error", next(iter(loaded.values())).label_space)
    stamps = _stamps(*nets.values())
    found = compare_nets(loaded, dataset, progress)
    _scores().put((tuple(nets.items()), stamps, folder), found)
    return found


@st.cache_resource(show_spinner=False)
def _scores() -> Kept[tuple, list[NetScore]]:
    return Kept(32)
