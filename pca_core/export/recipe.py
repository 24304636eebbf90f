"""A recipe: everything that is needed to make the figures of a view again, and the reading of one that nobody vouches for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pca_core.association import AssociationConfig, PairAnalysis
from pca_core.checks import InputError, exists, shorten
from pca_core.data import content_hash, read_image, read_label
from pca_core.figures.catalogue import FIGURES
from pca_core.figures.style import Format
from pca_core.figures.view import Switches, View
from pca_core.inference import make_pair, segment
from pca_core.models import load_checkpoint
from pca_core.types import Domain, LabelSpace, Sample

RECIPE, INPUTS, NET = "recipe.json", "inputs", "checkpoint.safetensors"
COMMAND = "cyclelens export --recipe recipe.json"
MAX_BYTES = 2**20
SHA256 = r"^[0-9a-f]{64}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageRecord(_Part):
    """An image: its name for people, and the hashes of its pixels and labels as arrays."""

    name: str = Field(max_length=300)
    sha256: str = Field(pattern=SHA256)
    label_sha256: str | None = Field(pattern=SHA256)


class NetRecord(_Part):
    """A checkpoint: names for people, and the hash of its file."""

    name: str = Field(max_length=300)
    architecture: str = Field(max_length=300)
    label_space: str = Field(max_length=300)
    sha256: str = Field(pattern=SHA256)


class PixelRecord(_Part):
    """The pixel in question."""

    side: Domain
    index: int = Field(ge=0)


class Recipe(_Part):
    """What ``recipe.json`` holds. It names no paths: inputs lie in ``inputs/`` beside it under fixed names."""

    format: Literal[1] = 1
    command: str = Field(default=COMMAND, max_length=300)
    versions: dict[str, str]
    source: ImageRecord
    target: ImageRecord
    checkpoint: NetRecord
    pixel: PixelRecord
    pooling: int = Field(default=1, ge=1, le=64)
    config: AssociationConfig
    switches: Switches
    figures: tuple[str, ...] = Field(min_length=1, max_length=len(FIGURES))
    formats: tuple[Format, ...] = Field(min_length=1, max_length=3)
    scale: float = Field(ge=1, le=4)

    @field_validator("figures")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in FIGURES]
        if unknown:
            raise ValueError(f"figures must be of {', '.join(FIGURES)}, got {shorten(unknown[0], 40)!r}")
        return names


def versions() -> dict[str, str]:
    """Of what a figure's numbers and pixels depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "matplotlib": version("matplotlib"),
    }


def make_recipe(
    view: View, checkpoint_file: str | Path, figures: Sequence[str], formats: Sequence[Format] = ("png",), scale: float = 2
) -> Recipe:
    """The recipe of some figures of a view.

    Args:
        view: What they show.
        checkpoint_file: Where the net of the view was loaded from.
        figures: Names of :data:`~pca_core.figures.catalogue.FIGURES`.
        formats, scale: Of the files.
    """
    path, net = Path(checkpoint_file), view.checkpoint
    side, index = view.pixel
    return Recipe(
        versions=versions(),
        source=_record(view.source),
        target=_record(view.target),
        checkpoint=NetRecord(
            name=path.name,
            architecture=net.architecture,
            label_space=net.label_space.name,
            sha256=content_hash(path.read_bytes()),
        ),
        pixel=PixelRecord(side=side, index=index),
        pooling=view.pooling,
        config=replace(view.analysis.config, tile_rows=None),
        switches=view.switches,
        figures=tuple(figures),
        formats=tuple(formats),
        scale=scale,
    )


def _record(sample: Sample) -> ImageRecord:
    label = None if sample.label is None else content_hash(sample.label)
    return ImageRecord(name=sample.name[:300], sha256=content_hash(sample.image), label_sha256=label)


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe that may come from anybody.

    Raises:
        InputError: ``RECIPE_NOT_FOUND`` or ``RECIPE_BROKEN``.
    """
    path = Path(path)
    if not exists(path.is_file):
        raise InputError(
            "RECIPE_NOT_FOUND", f"There is no recipe at {shorten(path)}. Name the recipe.json of an unpacked bundle."
        )
    if path.stat().st_size > MAX_BYTES:
        raise InputError(
            "RECIPE_BROKEN", f"{path.name} has more than 1 MiB, which no recipe needs. Name the recipe.json of a bundle."
        )
    return _checked(path.name, lambda: Recipe.model_validate_json(path.read_bytes()))


def change_recipe(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with other figures, formats or scale.

    Raises:
        InputError: ``RECIPE_BROKEN``, when one of them cannot be.
    """
    return _checked("The recipe", lambda: Recipe.model_validate({**dict(recipe), **changes}))


def _checked(name: str, make: Callable[[], Recipe]) -> Recipe:
    try:
        return make()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = shorten(".".join(map(str, first["loc"])) or "the file", 80)
        raise InputError("RECIPE_BROKEN", f"{name} cannot be used: {where}: {shorten(first['msg'], 400)}. Correct it.") from None


@dataclass(frozen=True)
class Inputs:
    """Where the inputs of a recipe lie."""

    folder: Path
    checkpoint: Path

    @classmethod
    def beside(cls, recipe_file: str | Path, checkpoint: str | Path | None = None) -> Inputs:
        """Those of an unpacked bundle; ``checkpoint`` for one that was too large to go along."""
        folder = Path(recipe_file).parent / INPUTS
        return cls(folder, Path(checkpoint) if checkpoint else folder / NET)


def open_recipe(recipe: Recipe, inputs: Inputs, device: str | torch.device = "cpu") -> View:
    """Load what a recipe speaks of and check that it is that.

    Raises:
        InputError: ``RECIPE_DIFFERS`` where an input is not the one the figures were made from, ``RECIPE_PIXEL`` where the pixel
            lies outside the maps, ``CHECKPOINT_NOT_FOUND`` and all of reading images, labels and checkpoints.
    """
    checkpoint = _open_checkpoint(recipe, inputs, device)
    source = _open_sample(recipe.source, "source", inputs.folder, checkpoint.label_space)
    target = _open_sample(recipe.target, "target", inputs.folder, checkpoint.label_space)
    if source.label is None:
        raise InputError("SOURCE_UNLABELLED", "The source image of this recipe has no label map. Export the view again.")
    seen = segment(checkpoint, source.image), segment(checkpoint, target.image)
    pair = make_pair(seen[0], source.label, seen[1], target.label, recipe.pooling)
    side, index = recipe.pixel.side, recipe.pixel.index
    height, width = pair.grid(side)
    if index >= height * width:
        raise InputError(
            "RECIPE_PIXEL",
            f"The recipe's {side} pixel must lie in [0, {height * width}), got {index}. Correct pixel.index in it.",
        )
    analysis = PairAnalysis(pair, recipe.config)
    return View(analysis, source, target, checkpoint, (side, index), recipe.switches, recipe.pooling)


def _open_checkpoint(recipe: Recipe, inputs: Inputs, device: str | torch.device):
    if not exists(inputs.checkpoint.is_file):
        raise InputError(
            "CHECKPOINT_NOT_FOUND",
            f"The net of this recipe ({recipe.checkpoint.name}, SHA-256 {recipe.checkpoint.sha256[:12]}…) is not at "
            f"{shorten(inputs.checkpoint)}. Name its file with --checkpoint.",
        )
    checkpoint = load_checkpoint(inputs.checkpoint, device=device)
    _check_hash(inputs.checkpoint.name, content_hash(inputs.checkpoint.read_bytes()), recipe.checkpoint.sha256)
    return checkpoint


def _open_sample(record: ImageRecord, side: Domain, folder: Path, space: LabelSpace) -> Sample:
    image = read_image(folder / f"{side}.png")
    _check_hash(f"{side}.png", content_hash(image), record.sha256)
    if record.label_sha256 is None:
        return Sample(record.name, side, image)
    label = read_label(folder / f"{side}_label.png", replace(space, ignore_index=255), size=image.shape[:2]).ids
    _check_hash(f"{side}_label.png", content_hash(label), record.label_sha256)
    return Sample(record.name, side, image, label, space)


def _check_hash(name: str, got: str, expected: str) -> None:
    if got != expected:
        raise InputError(
            "RECIPE_DIFFERS",
            f"{name} is not the file these figures were made from: SHA-256 {expected[:12]}… expected, got {got[:12]}…. "
            "Unpack the bundle again, or name the right file.",
        )
