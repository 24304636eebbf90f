"""What the server keeps for all sessions: nets, images, features and associations, in bounded caches keyed by content."""

from __future__ import annotations

import gc
import logging
import math
import os
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import streamlit as st

from app.components.linked_images import ImagePane, pack_features, pack_images
from app.state.caching import Kept, cached
from pca_core.analysis.live_features import compress_features
from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.checks import InputError
from pca_core.data import FolderDataset, content_hash, encode_jpeg, open_dataset, read_image, read_label, resize_image
from pca_core.device import pick_device
from pca_core.feature_store import MAX_BYTES, FeatureStore, segment_once
from pca_core.inference import Segmentation, make_pair
from pca_core.models import Checkpoint, load_checkpoint
from pca_core.runs.store import default_root
from pca_core.storage import hash_file
from pca_core.types import IGNORE_INDEX, Domain, FeaturePair, Grid, LabelSpace, Sample

MAX_DATASETS = 16
MAX_SIMILARITIES = 2**31  # of a pair; some 15 s on two cores, for every session of the server
POOLINGS = (1, 2, 4)  # feature pixels averaged along each side where memory does not suffice for all of them
POOLED_FOR = timedelta(minutes=10)  # then memory may be there again
OPENING = "Running the net on both images and associating every pixel of the pair …"
THUMBNAIL_HEIGHT = 160  # pixels; a thousand of them are some ten megabytes


def freeze_garbage_collector() -> None:
    """Streamlit collects garbage after every rerun; what is loaded by now need not be looked at each time."""
    gc.collect()
    gc.freeze()


def get_dataset(
    folder: str, side: Domain, unknown: str = "error", space: LabelSpace | None = None, convention: str = ""
) -> FolderDataset:
    """A data set in any layout, listed anew when files came or went; its labels in ``space`` where they can be translated.

    Args:
        convention: What its ids stand for, a name in ``CONVENTIONS``; "" for what the folder itself says.
    """
    watched = _watched_paths()
    paths = watched.get(folder)
    if paths is None:
        dataset = _list_dataset(folder, side, unknown, space, convention)
    else:
        dataset = _open_dataset(folder, side, unknown, space, convention, tuple(map(stamp_of, paths)))
    watched.put(folder, tuple(map(str, dataset.listing.watched)))
    return dataset


@st.cache_resource(show_spinner=False)
def _watched_paths() -> Kept[str, tuple[str, ...]]:
    """Data set -> what its listing depends on; known only after it was listed once."""
    return Kept(4 * MAX_DATASETS)


@cached(MAX_DATASETS)
def _open_dataset(
    folder: str, side: Domain, unknown: str, space: LabelSpace | None, convention: str, stamps: tuple[int, ...]
) -> FolderDataset:
    return _list_dataset(folder, side, unknown, space, convention)


def _list_dataset(folder: str, side: Domain, unknown: str, space: LabelSpace | None, convention: str) -> FolderDataset:
    return open_dataset(folder, domain=side, unknown=unknown, model_space=space, convention=convention or None)


def read_sample(folder: str, side: Domain, name: str, unknown: str, space: LabelSpace, convention: str = "") -> Sample:
    """One image of a data set with its label, in the classes of ``space`` where it can be, read anew when the image changed.

    Raises:
        InputError: When it is not there any more or cannot be read.
    """
    dataset = get_dataset(folder, side, unknown, space, convention)
    if name not in dataset.names:
        raise InputError("IMAGE_NOT_FOUND", f"There is no image {name} in {folder} any more. Choose another on the Images page.")
    return _read_sample(folder, side, name, unknown, space, convention, stamp_of(str(dataset.image_path(name))))


@cached(32)
def _read_sample(folder: str, side: Domain, name: str, unknown: str, space: LabelSpace, convention: str, stamp: int) -> Sample:
    dataset = get_dataset(folder, side, unknown, space, convention)
    return dataset[dataset.names.index(name)]


@cached(16)
def decode_upload(name: str, side: Domain, image: bytes, label: bytes | None, space: LabelSpace) -> Sample:
    """What was uploaded and re-encoded: both files are ours."""
    pixels = read_image(image)
    if label is None:
        return Sample(name, side, pixels)
    ids = read_label(label, replace(space, ignore_index=IGNORE_INDEX), size=pixels.shape[:2]).ids
    return Sample(name, side, pixels, ids, space)


def get_thumbnail(path: str) -> bytes:
    """A small JPEG of an image file, made anew when the image changed."""
    return _shrink(path, stamp_of(path))


@cached(1024)
def _shrink(path: str, stamp: int) -> bytes:
    return make_thumbnail(read_image(path))


def make_thumbnail(image: np.ndarray) -> bytes:
    """JPEG of :data:`THUMBNAIL_HEIGHT`; a wide panorama is cut to its middle."""
    height, width = image.shape[:2]
    most = round(height * 4)
    left = max(0, (width - most) // 2)
    image = image[:, left : left + most]
    return encode_jpeg(resize_image(image, (THUMBNAIL_HEIGHT, max(1, round(image.shape[1] * THUMBNAIL_HEIGHT / height)))), 80)


def get_checkpoint(path: str) -> Checkpoint:
    """The net of a file, shared by all sessions: never train it."""
    return _load_checkpoint(path, stamp_of(path))


def stamp_of(path: str) -> int:
    """Changes when the file does; 0 when there is none."""
    try:
        return Path(path).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


@cached(4)
def _load_checkpoint(path: str, stamp: int) -> Checkpoint:
    return load_checkpoint(path, device=pick_device())


@cached(24)
def _segment(image_hash: str, checkpoint_path: str, stamp: int, _image) -> Segmentation:
    """From memory, else from the disk, else by the net."""
    checkpoint, checkpoint_hash = get_checkpoint(checkpoint_path), hash_file(Path(checkpoint_path))
    is_same_file = stamp_of(checkpoint_path) == stamp  # not replaced while it was being read
    return segment_once(get_feature_store(), checkpoint, checkpoint_hash if is_same_file else "", _image, image_hash)


@st.cache_resource(show_spinner=False)
def get_feature_store() -> FeatureStore:
    """Features of images on disk, beside the runs; ``$CYCLELENS_FEATURE_GB`` says how many GB of them, 0 for none."""
    given = os.environ.get("CYCLELENS_FEATURE_GB", "")
    try:
        max_bytes = int(float(given) * 10**9) if given else MAX_BYTES
    except (ValueError, OverflowError):
        logging.getLogger(__name__).warning("CYCLELENS_FEATURE_GB must be a number of gigabytes, got %r: not used.", given)
        max_bytes = MAX_BYTES
    return FeatureStore(default_root() / "features", max_bytes)


@dataclass(frozen=True)
class Pair:
    """The chosen pair as the pages need it; ``key`` changes when anything in it does."""

    key: str
    checkpoint_path: str
    source: Sample
    target: Sample
    label_space: LabelSpace
    analysis: PairAnalysis
    panes: tuple[ImagePane, ImagePane]
    packed_images: bytes
    pooling: int = 1

    def count_pixels(self, side: Domain) -> int:
        """Feature pixels of an image."""
        return math.prod(self.grid(side))

    def grid(self, side: Domain) -> Grid:
        """Rows and columns of them."""
        return self.analysis.pair.grid(side)


def get_pair(source: Sample, target: Sample, checkpoint_path: str, config: AssociationConfig) -> Pair:
    """Run the net on both images and associate them; the source must be labelled.

    Raises:
        InputError, ValueError: When images, labels and checkpoint cannot be used together.
    """
    arrays = [array for array in (source.image, source.label, target.image, target.label) if array is not None]
    parts = [checkpoint_path, str(stamp_of(checkpoint_path)), source.name, target.name, *map(content_hash, arrays)]
    key = content_hash("|".join(parts).encode())
    pooling = _choose_pooling(key, config, source, target, checkpoint_path)
    return _make_pair(key, config, pooling, source, target, checkpoint_path)


# Streamlit shows the spinner of the outermost function that is kept, and no other: this one waits for the net and the sweep.
@st.cache_resource(max_entries=24, ttl=POOLED_FOR, show_spinner=OPENING)
def _choose_pooling(key: str, config: AssociationConfig, _source: Sample, _target: Sample, _path: str) -> int:
    """The least of :data:`POOLINGS` that fits into memory.

    Raises:
        InputError: ``MEMORY_SHORT`` when none does.
    """
    for pooling in POOLINGS:
        try:
            _make_pair(key, config, pooling, _source, _target, _path)
            break
        except InputError as error:
            if error.code != "MEMORY_SHORT" or pooling == POOLINGS[-1]:
                raise
    return pooling


@cached(12, OPENING)  # the outermost one where the pooling is still known and the pair has gone
def _make_pair(key: str, config: AssociationConfig, pooling: int, _source: Sample, _target: Sample, _path: str) -> Pair:
    walk = _make_walk(key, replace(config, mutual=False, top_k=1), pooling, _source, _target, _path)
    pair = replace(walk, analysis=walk.analysis.with_config(config))
    pair.analysis.association  # noqa: B018 (swept now, so that the spinner says so)
    return pair


def get_packed_features(pair: Pair) -> bytes | None:
    """What the browser needs to find similarities of the pair by itself; None when that would be too much to send."""
    config = replace(pair.analysis.config, mutual=False, top_k=1)
    return _pack_features(pair.key, config, pair.analysis)


@cached(6)
def _pack_features(key: str, config: AssociationConfig, _analysis: PairAnalysis) -> bytes | None:
    features = compress_features(_analysis)
    return None if features is None else pack_features(features, config.level)


@cached(6)
def _make_walk(key: str, config: AssociationConfig, pooling: int, _source: Sample, _target: Sample, _path: str) -> Pair:
    """What the switches top-k and mutual do not change: directions and, once it is asked for, the soft way back."""
    base = _make_base(key, pooling, _source, _target, _path)
    return replace(base, analysis=base.analysis.with_config(config))


@cached(6)
def _make_base(key: str, pooling: int, _source: Sample, _target: Sample, _path: str) -> Pair:
    """What no switch changes: features, what target pixels borrow, pictures."""
    checkpoint = get_checkpoint(_path)
    stamp = stamp_of(_path)
    segmentations = [_segment(content_hash(sample.image), _path, stamp, sample.image) for sample in (_source, _target)]
    pair = make_pair(segmentations[0], _source.label, segmentations[1], _target.label, pooling)
    _check_size(pair)
    panes = _make_panes(_source, _target, pair, checkpoint.label_space)
    key = key if pooling == 1 else f"{key} {pooling}"
    images = pack_images(*panes)
    return Pair(key, _path, _source, _target, checkpoint.label_space, PairAnalysis(pair), panes, images, pooling)


def _check_size(pair: FeaturePair) -> None:
    source, target = math.prod(pair.source_size), math.prod(pair.target_size)
    if target * max(source, target) > MAX_SIMILARITIES:  # aggregation compares the target with itself
        raise InputError(
            "PAIR_TOO_LARGE",
            f"This pair has {source:,} × {target:,} feature pixels, more than can be associated while you wait. Long, narrow "
            "images become large when their short side is scaled to the net's: crop them, or use cyclelens associate.",
        )


def _make_panes(source: Sample, target: Sample, pair: FeaturePair, space: LabelSpace) -> tuple[ImagePane, ImagePane]:
    def as_ids(labels):
        return labels.cpu().numpy().astype("uint8")

    has_label = pair.target_labels is not None
    target_ids = as_ids(pair.target_labels) if has_label else as_ids(pair.target_prediction)
    names = space.class_names if has_label else tuple(f"{name} (predicted)" for name in space.class_names)
    return (
        ImagePane(f"Source · {source.name}", source.image, pair.source_size, as_ids(pair.source_labels), space.class_names),
        ImagePane(f"Target · {target.name}", target.image, pair.target_size, target_ids, names),
    )
