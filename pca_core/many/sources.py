"""The search for supporting sources over thousands of images: what each has for the target lies in a file of its own.

A file is named by all that it depends on: net, config, target, and the contents of the source's image and label. So a search that
was stopped goes on, several processes share one, a longer list takes what is there, and one folder serves many searches. The
files are mapped, not loaded: memory does not grow with the sources but for one byte a target pixel while they are ranked.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pca_core.adaptation import distributed
from pca_core.analysis.support import SourceSupport, SupportSearch, TargetSearch, check_usable
from pca_core.association import AssociationConfig
from pca_core.checks import InputError
from pca_core.data import FolderDataset, content_hash
from pca_core.many.sweep import is_own
from pca_core.models import Checkpoint
from pca_core.storage import check_writable, hash_file, write_atomic


class KeptSearch:
    """A search whose findings are kept in a folder.

    Args:
        folder: For the findings of any searches.
        checkpoint: The net; ``net`` is its file.
        target: (H, W, 3) uint8 RGB.
        sources: In the order in which :func:`~pca_core.analysis.support.find_support` would look at them.
        config: How pixels are associated.
    """

    def __init__(
        self,
        folder: str | Path,
        checkpoint: Checkpoint,
        net: str | Path,
        target: np.ndarray,
        sources: FolderDataset,
        config: AssociationConfig,
    ) -> None:
        if len(sources) == 0:
            raise InputError("SOURCES_NONE", "There is no source image to look at. Choose a folder with images.")
        check_writable(folder)
        self._folder, self._sources = Path(folder), sources
        self._search = TargetSearch(checkpoint, target, config, None)
        space = sources.label_space
        facts = {name: value for name, value in asdict(config).items() if name != "tile_rows"}
        facts |= {"format": 1, "checkpoint": hash_file(Path(net)), "target": content_hash(target)}
        self._facts = facts | {"layout": sources.listing.layout, "classes": space and [space.class_names, space.ignore_index]}

    def look(self) -> Iterator[None]:
        """Look at this process's share of the sources, leaving out those whose files are there; yields at each of the share.

        The first process also looks at as many as the reference takes, whoever else does.
        """
        if distributed.rank() > 0:
            self._search.take_reference(np.empty(0, np.float32))
        for place in range(len(self._sources)):
            is_mine = is_own(place, len(self._sources))
            if self._search.pairs_left or (is_mine and not self._path(place).is_file()):
                self._look_at(place)
            if is_mine:
                yield

    def finish(self) -> SupportSearch | None:
        """What :func:`~pca_core.analysis.support.find_support` would end with; None beside the first process.

        Raises:
            InputError: ``SOURCES_UNREADABLE`` when none could be used.
        """
        distributed.wait_for_all()
        if distributed.rank() > 0:
            return None
        found, skipped = [], []
        for place in range(len(self._sources)):
            kept = self._read(place) or self._look_at(place)
            (skipped if isinstance(kept, str) else found).append(kept)
        search = SupportSearch(tuple(found), self._search.reference, self._search.prediction, tuple(skipped), len(self._sources))
        check_usable(search)
        return search

    def _path(self, place: int) -> Path:
        name, listing = self._sources.names[place], self._sources.listing
        label = listing.labels.get(name)
        facts = [self._facts, hash_file(listing.images[name]), label and hash_file(label)]
        return self._folder / f"{content_hash(json.dumps(facts, sort_keys=True).encode())[:32]}.npy"

    def _look_at(self, place: int) -> SourceSupport | str:
        """What one source has, kept; or why it cannot be used, which is found out anew each time."""
        try:
            found = self._search.look_at(self._sources[place])
        except InputError as error:
            return str(error)
        row = np.zeros(1, self._row_type)
        for name in self._row_type.names:
            row[name] = getattr(found, name)
        buffer = io.BytesIO()
        np.save(buffer, row)
        write_atomic(self._path(place), buffer.getvalue())
        return found

    def _read(self, place: int) -> SourceSupport | None:
        try:
            rows = np.load(self._path(place), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if rows.shape != (1,) or rows.dtype != self._row_type:
            return None
        row = rows[0]
        maps = (row[name] for name in ("similarity", "is_closed", "match_class"))
        return SourceSupport(self._sources.names[place], bool(row["is_labelled"]), *maps, float(row["reached"]))

    @property
    def _row_type(self) -> np.dtype:
        pixels = self._search.prediction.size
        maps = [("similarity", "<f4", (pixels,)), ("is_closed", "?", (pixels,)), ("match_class", "u1", (pixels,))]
        return np.dtype([("reached", "<f8"), *maps, ("is_labelled", "?")])
