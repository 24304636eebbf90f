"""What a run is asked to do: plain values that a file can hold."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from pca_core.adaptation import AdaptationConfig
from pca_core.adaptation.config import STRICT, read_strictly
from pca_core.data import FolderDataset, open_dataset
from pca_core.data.streets import PREFIX
from pca_core.types import Domain, Grid, LabelSpace

MAX_PINNED_TARGETS, MAX_PINNED_PIXELS = 3, 8  # each is computed anew at every evaluation


@dataclass(frozen=True)
class DataChoice:
    """A data set as :func:`pca_core.data.open_dataset` takes it.

    Attributes:
        where: A folder, a folder and its part, or ``streets:NAME``.
        split, layout: As there.
        include: Glob pattern of the names to take.
        exclude: Glob patterns of names to leave out.
        unknown: What happens to label ids outside the label space.
        convention: What the ids in label files stand for.
    """

    where: str
    split: str | None = None
    layout: str | None = None
    include: str = "*"
    exclude: tuple[str, ...] = ()
    unknown: Literal["error", "ignore"] = "error"
    convention: str | None = None

    def open(self, domain: Domain, space: LabelSpace, *, for_scoring: bool = False) -> FolderDataset:
        """The data set, its labels in the classes of a net where they can be translated.

        Raises:
            InputError: What :func:`pca_core.data.open_dataset` raises.
        """
        return open_dataset(
            self.where,
            split=self.split,
            layout=self.layout,
            include=self.include,
            exclude=list(self.exclude),
            unknown=self.unknown,
            convention=self.convention,
            domain=domain,
            model_space=space,
            for_scoring=for_scoring,
        )

    def resolve(self) -> DataChoice:
        """The same data set, whatever folder its reader works in."""
        split = self.split if self.split is None or not Path(self.split).is_file() else str(Path(self.split).absolute())
        return self if self.where.startswith(PREFIX) else replace(self, where=str(Path(self.where).absolute()), split=split)


@dataclass(frozen=True)
class PinnedPixel:
    """A pixel whose trace is followed through a run.

    Attributes:
        source, target: Names of the images of its pair.
        side: Whose image it lies in.
        index: Flat, row-major.
        grid: Rows and columns of the feature map that ``index`` is of; None for that of the adapted net.
    """

    source: str
    target: str
    side: Domain
    index: int
    grid: Grid | None = None


@dataclass(frozen=True)
class RunRequest:
    """What a run is asked to do.

    Attributes:
        checkpoint: Path of the net to begin with.
        source: Labelled images.
        target: Images to adapt to.
        config: The knobs.
        held_out: Labelled source images only scored on; None keeps some of the source aside.
        scored_target: Labelled target images only scored on; None when there are none, or none are to be looked at.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        name: For people.
        group: Runs of one comparison share it.
        save_every: Steps between checkpoints.
        pinned_targets: Names of up to three target images that are segmented at every evaluation.
        pinned_pixels: Up to eight pixels that are traced at every evaluation.
    """

    checkpoint: str
    source: DataChoice
    target: DataChoice
    config: AdaptationConfig = field(default_factory=AdaptationConfig)
    held_out: DataChoice | None = None
    scored_target: DataChoice | None = None
    device: str = "auto"
    name: str = ""
    group: str | None = None
    save_every: int = 25
    pinned_targets: tuple[str, ...] = ()
    pinned_pixels: tuple[PinnedPixel, ...] = ()

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.save_every < 1:
            raise ValueError(f"save_every must be at least 1 step, got {self.save_every}.")
        for name, most in (("pinned_targets", MAX_PINNED_TARGETS), ("pinned_pixels", MAX_PINNED_PIXELS)):
            if len(getattr(self, name)) > most:
                raise ValueError(f"{name} may name at most {most}, got {len(getattr(self, name))}.")

    def resolve(self) -> RunRequest:
        """The same with absolute paths: a run may be resumed from another folder than it was started in."""
        choices = {name: getattr(self, name) for name in ("source", "target", "held_out", "scored_target")}
        resolved = {name: choice and choice.resolve() for name, choice in choices.items()}
        return replace(self, checkpoint=str(Path(self.checkpoint).absolute()), **resolved)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return _ADAPTER.dump_python(self, mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunRequest:
        """What :meth:`to_dict` gave.

        Raises:
            ValueError: Naming the first field that is unknown or of the wrong kind.
        """
        return read_strictly(_ADAPTER, values, "the request")

    @property
    def digest(self) -> str:
        """Hash of everything asked for."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


_ADAPTER = TypeAdapter(RunRequest)
