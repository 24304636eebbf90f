"""What a run shows while it goes on: class maps of a few target images, and the traces of a few pixels."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pca_core.association import PairAnalysis, describe_trace, explain_pixel
from pca_core.checks import InputError
from pca_core.data import FolderDataset, encode_png, fit_short_side, read_image, read_label, resize_image, resize_label
from pca_core.grids import move_pixel
from pca_core.inference import make_pair, predict, segment
from pca_core.models import Checkpoint
from pca_core.render import overlay_classes
from pca_core.runs.folder import Run
from pca_core.runs.request import MAX_PINNED_TARGETS, PinnedPixel
from pca_core.storage import write_atomic
from pca_core.types import LabelSpace

SHOWN_SIDE = 256  # pixels of the shorter side of a class map
MAX_PREVIEWS = 24


class Previewer:
    """Writes the previews of one run.

    Args:
        run: Whose request names what is pinned; images that are not there any more are left out.
        source, target: Its data sets.
    """

    def __init__(self, run: Run, source: FolderDataset, target: FolderDataset) -> None:
        self._run, self._source, self._target = run, source, target
        request = run.request
        pinned = request.pinned_targets or target.names[:: max(1, len(target) // 3)]
        self._images = [target[target.names.index(name)].image for name in pinned[:MAX_PINNED_TARGETS] if name in target.names]
        known = set(source.names), set(target.names)
        self._pixels = [pixel for pixel in request.pinned_pixels if pixel.source in known[0] and pixel.target in known[1]]

    def write(self, step: int, checkpoint: Checkpoint) -> None:
        """Class maps as PNG of ids, traces as JSON, in ``previews/step-NNNNNN``, which appears whole: pages may look any time."""
        previews = self._run.folder / "previews"
        previews.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=previews, prefix=".writing-") as made:
            self._fill(Path(made) / "new", step, checkpoint)
            final = previews / f"step-{step:06d}"
            shutil.rmtree(final, ignore_errors=True)  # of the same step, before a resume
            os.replace(Path(made) / "new", final)
        self._thin_out()

    def _fill(self, folder: Path, step: int, checkpoint: Checkpoint) -> None:
        folder.mkdir()
        for number, image in enumerate(self._images):
            size = fit_short_side(*image.shape[:2], min(SHOWN_SIDE, *image.shape[:2]), 1)
            if step == 0:
                write_atomic(folder / f"image-{number}.png", encode_png(resize_image(image, size)), makes_folder=False)
            write_atomic(folder / f"{number}.png", encode_png(resize_label(predict(checkpoint, image), size)), makes_folder=False)
        traces = [self._trace(checkpoint, pixel) for pixel in self._pixels]
        write_atomic(folder / "traces.json", json.dumps(traces).encode(), makes_folder=False)

    def _trace(self, checkpoint: Checkpoint, pixel: PinnedPixel) -> dict[str, Any]:
        source = self._source[self._source.names.index(pixel.source)]
        target = self._target[self._target.names.index(pixel.target)]
        pair = make_pair(segment(checkpoint, source.image), source.label, segment(checkpoint, target.image))
        grid = pair.grid(pixel.side)
        index = move_pixel(pixel.index, pixel.grid or grid, grid)
        trace = explain_pixel(PairAnalysis(pair), index, pixel.side, num_candidates=1, with_soft_cycle=False)
        facts: dict[str, Any] = {"pixel": asdict(pixel), "text": describe_trace(trace, checkpoint.label_space.class_names)}
        if pixel.side == "source":
            facts |= {"verdict": trace.verdict, "match": trace.match.index, "return": trace.way_back.index}
            facts["times_uniform"] = trace.match.times_uniform
        return facts

    def _thin_out(self) -> None:
        """Keep the first, the newest, and every second of the rest once there are too many."""
        found = list(self._run.previews().items())
        if len(found) > MAX_PREVIEWS:
            for _, path in found[1:-1:2]:
                shutil.rmtree(path, ignore_errors=True)


def read_pictures(run: Run, step: int, space: LabelSpace, opacity: float = 0.65) -> list[np.ndarray]:
    """The pinned target images with the classes that were predicted at ``step``: (h, w, 3) uint8 RGB each.

    What is damaged, or thinned out or deleted this moment, is left out.
    """
    folders = run.previews()
    if 0 not in folders or step not in folders:
        return []
    pictures = []
    for path in sorted(folders[step].glob("[0-9].png")):
        with suppress(InputError):
            image = read_image(folders[0] / f"image-{path.stem}.png")
            label = read_label(path, space, size=image.shape[:2])
            pictures.append(overlay_classes(image, label.ids, space, opacity))
    return pictures


def read_traces(run: Run, step: int) -> list[dict[str, Any]]:
    """What became of the pinned pixels at ``step``; empty when nothing is pinned or the file is gone."""
    try:
        traces = json.loads((run.previews()[step] / "traces.json").read_bytes())
    except (KeyError, OSError, ValueError, RecursionError):
        return []
    return [trace for trace in traces if _is_trace(trace)] if isinstance(traces, list) else []


def _is_trace(value: object) -> bool:
    """Whether it tells of a pixel, in a sentence at least."""
    return isinstance(value, dict) and isinstance(value.get("text"), str)
