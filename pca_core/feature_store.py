"""What a net saw in an image, kept on disk by content: a program that is started again need not run the net again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pca_core.data import content_hash
from pca_core.inference import Segmentation, segment
from pca_core.models import Checkpoint
from pca_core.storage import write_atomic

FORMAT = 1  # to be raised when segment() comes to see something else in the same image
MAX_BYTES = 4 * 2**30
FREE_BYTES = 2**30  # of the disk that are left to others
TENSORS = ("features", "probabilities")
_SUFFIX = ".safetensors"
_STALE_SECONDS = 3600  # after which a half-written file was left behind by a kill
_LOCK_SECONDS = 5


class FeatureStore:
    """A folder of segmentations, the least recently used of which go when it grows too large.

    Any number of processes may share it. It is a cache: what cannot be read or written is as if it were not there, a damaged
    file is removed, and nothing is ever raised.

    Args:
        folder: Made when something is written.
        max_bytes: That files may take together; for a moment, by what is written at once, more. 0 keeps nothing.
    """

    def __init__(self, folder: str | Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder, self.max_bytes = Path(folder), max_bytes

    def read(self, key: str) -> Segmentation | None:
        """What was written under ``key``, on the CPU; None where nothing is, or nothing that is whole."""
        path = self._path(key)
        try:
            found = _load(path)
            os.utime(path, ns=(time.time_ns(),) * 2)  # the age by which files go
        except (SafetensorError, ValueError, KeyError) as error:
            logging.getLogger(__name__).warning("Removed the damaged file %s (%s)", path.name, error)
            with suppress(OSError):
                path.unlink()
            return None
        except OSError:  # not there, or gone by now
            return None
        return found

    def write(self, key: str, segmentation: Segmentation) -> None:
        """Keep it, atomically, and let go of what has become too much."""
        data = _dump(segmentation)
        if len(data) > self.max_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free - len(data) < FREE_BYTES:
                return
            write_atomic(self._path(key), data)
            with FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS):
                self._make_room()
        except (OSError, Timeout) as error:
            logging.getLogger(__name__).info("Features are not kept in %s: %s", self.folder, error)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _make_room(self) -> None:
        files = sorted(self._list_files(), reverse=True)  # the youngest first
        total = 0
        for _, size, path in files:
            total += size
            if total > self.max_bytes:
                path.unlink(missing_ok=True)

    def _list_files(self) -> Iterator[tuple[int, int, Path]]:
        """(age, bytes, path) of what is kept; half-written files of processes that were killed are removed on the way."""
        for entry in os.scandir(self.folder):
            with suppress(FileNotFoundError):
                stat = entry.stat()
                if entry.name.endswith(_SUFFIX):
                    yield stat.st_mtime_ns, stat.st_size, Path(entry.path)
                elif _SUFFIX in entry.name and time.time() - stat.st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)


def segment_once(
    store: FeatureStore, checkpoint: Checkpoint, checkpoint_hash: str, image: np.ndarray, image_hash: str
) -> Segmentation:
    """:func:`~pca_core.inference.segment`, from ``store`` where the same net has seen the same image before.

    Args:
        store: Where to look first and to write to.
        checkpoint: The net.
        checkpoint_hash: SHA-256 of the file that it was loaded from; "" when that is not known, and nothing is kept.
        image: (H, W, 3) uint8 RGB.
        image_hash: Its :func:`~pca_core.data.content_hash`.
    """
    device = next(checkpoint.model.parameters()).device
    if not checkpoint_hash or not store.max_bytes:
        return segment(checkpoint, image)
    key = name_result(checkpoint_hash, image_hash, device)
    found = store.read(key)
    if found is None:
        found = segment(checkpoint, image)
        store.write(key, found)
    return Segmentation(found.features.to(device), found.probabilities.to(device), found.output_stride)


def name_result(checkpoint_hash: str, image_hash: str, device: torch.device) -> str:
    """One name for all that the result depends on: contents, the libraries that compute it, the kind of device."""
    facts = [FORMAT, checkpoint_hash, image_hash, device.type, torch.__version__, cv2.__version__]
    return content_hash(json.dumps(facts).encode())


def _dump(segmentation: Segmentation) -> bytes:
    tensors = {name: getattr(segmentation, name).detach().cpu().contiguous() for name in TENSORS}
    return save(tensors, {"output_stride": str(segmentation.output_stride), "sha256": _hash_tensors(*tensors.values())})


def _load(path: Path) -> Segmentation:
    """Raise OSError when there is no file; SafetensorError, KeyError or ValueError when it is not what was written."""
    with safe_open(path, framework="pt") as file:
        # Copies: what is mapped from a file would end the process if the file were cut short under it.
        facts, features, probabilities = file.metadata() or {}, *(file.get_tensor(name).clone() for name in TENSORS)
    if facts["sha256"] != _hash_tensors(features, probabilities):
        raise ValueError("its contents have changed")
    return Segmentation(features, probabilities, int(facts["output_stride"]))


def _hash_tensors(*tensors: Tensor) -> str:
    return hashlib.sha256("".join(content_hash(tensor.numpy()) for tensor in tensors).encode()).hexdigest()
