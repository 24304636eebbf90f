"""The knobs of an adaptation run: plain values, saved with every run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor
from torch.nn import functional as F

from pca_core.association.cycle import AssociationConfig
from pca_core.device import NetPrecision
from pca_core.losses import LossWeights
from pca_core.models.checkpoints import MAX_SHORT_SIDE
from pca_core.training import Augmentation, OptimizerConfig
from pca_core.types import Level

# Read back from files: a field that is not known is a mistake, not something to leave out.
STRICT = ConfigDict(extra="forbid")

T = TypeVar("T")


@dataclass(frozen=True)
class AssociationTerms:
    """How the association losses of a step are formed; which levels count is said by their loss weights.

    Attributes:
        alpha: Spatial aggregation of the target; 0 is off, the paper uses 0.5.
        contrast_normalisation: Normalise each row of similarities before the softmax.
        mutual: Only pixels that come back to themselves count.
        top_k: Forward candidates that may close a cycle.
        stride: Feature pixels are averaged over squares of this side before they are associated; 1 uses every pixel. A step's
            association costs the fourth power of it less.
        max_pixels: Larger squares than ``stride`` where a map would have more pixels than this; None never does.
        pixels_per_class: Pull on at most so many consistent pixels of a class in each image; None pulls on all.
    """

    alpha: float = 0.5
    contrast_normalisation: bool = True
    mutual: bool = False
    top_k: int = 1
    stride: int = 1
    max_pixels: int | None = None
    pixels_per_class: int | None = None

    def __post_init__(self) -> None:
        self.config("feature")  # checks what it knows of
        if self.stride < 1:
            raise ValueError(f"Association stride must be at least 1, got {self.stride}.")
        for name in ("max_pixels", "pixels_per_class"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1 or None (all), got {value}.")

    def find_stride(self, height: int, width: int) -> int:
        """Side of the squares over which a map of this size is averaged."""
        stride = self.stride
        while self.max_pixels is not None and height * width > self.max_pixels * stride**2:
            stride += 1
        return stride

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) maps averaged over squares of that side."""
        stride = self.find_stride(*maps.shape[-2:])
        return maps if stride == 1 else F.avg_pool2d(maps, stride, ceil_mode=True)

    def config(self, level: Level) -> AssociationConfig:
        return AssociationConfig(level, self.alpha, self.mutual, self.top_k, self.contrast_normalisation)


@dataclass(frozen=True)
class AdaptationConfig:
    """The knobs of a run. Defaults are the paper's objective on a net of any size; see :data:`~pca_core.adaptation.PRESETS`.

    Attributes:
        method: A key of :data:`~pca_core.adaptation.METHODS`.
        steps: Optimiser steps.
        batch_size: Source and target images that pass through the net at a time, so many of each.
        accumulation: Passes whose gradients make one step.
        short_side: Pixels of the shorter side of what the net sees, in a step and once it is adapted; None takes what the
            checkpoint was trained at, times ``enlarge``.
        enlarge: At most so many times as large, and no larger than the target's first image is.
        crop: (height, width) of a view; None takes the whole image's proportions at that side.
        optimizer: How weights move.
        weights: Of the terms of the objective.
        association: How the association terms are formed.
        rare_class: Temperature of drawing source images by their classes, rare ones more often; smaller is bolder, 0 is off.
        class_balance: Classes weigh ``(1/f)^class_balance`` in the source's cross-entropy, f their share of pixels; 0 is off.
        colour_transfer: Probability that a source view is given the colours of a target image; 0 is off.
        trained_layers: ``"method"`` is what the method trains by itself, ``"all"``, ``"batch-norm"`` (its scales and shifts),
            ``"classifier"``, or ``"all-but-classifier"``.
        batch_norm: ``"shared"``: one set of running statistics for both domains. ``"frozen"``: those of the checkpoint.
            ``"per-domain"``: a set for each domain; the adapted net keeps the target's.
        recalibrate: Re-estimate the batch-norm statistics of the adapted net on the target images at the end.
        with_teacher: The adapted net is the running average of the trained one.
        with_self_training: The plca method also learns from its teacher's confident predictions.
        with_mixing: Self-training sees target views with half of the classes of a source view pasted over them.
        teacher_decay: Of the running average, per step.
        confidence: Probability from which a teacher's prediction is learnt from.
        augmentation: Of source views.
        target_augmentation: Of target views; the teacher sees them before their colours change.
        precision: Of the net and its teacher in a step, see :data:`pca_core.device.NetPrecision`; losses, association and what is
            scored stay float32.
        held_out: Images kept aside from the source, if no held-out set is given, only to be scored on.
        evaluate_every: Steps between evaluations.
        seed: Of everything random.

    Raises:
        ValueError: On a value out of range; the message names what to do.
    """

    method: str = "plca"
    steps: int = 200
    batch_size: int = 4
    accumulation: int = 1
    short_side: int | None = None
    enlarge: float = 1.0
    crop: tuple[int, int] | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    weights: LossWeights = field(default_factory=LossWeights)
    association: AssociationTerms = field(default_factory=AssociationTerms)
    rare_class: float = 0.0
    class_balance: float = 0.0
    colour_transfer: float = 0.0
    trained_layers: Literal["method", "all", "batch-norm", "classifier", "all-but-classifier"] = "method"
    batch_norm: Literal["shared", "frozen", "per-domain"] = "shared"
    recalibrate: bool = False
    with_teacher: bool = False
    with_self_training: bool = False
    with_mixing: bool = False
    teacher_decay: float = 0.99
    confidence: float = 0.9
    augmentation: Augmentation = field(default_factory=Augmentation)
    target_augmentation: Augmentation = field(default_factory=Augmentation)
    precision: NetPrecision = "float32"
    held_out: int = 12
    evaluate_every: int = 25
    seed: int = 0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}. Give a whole number from 1.")
        if self.short_side is not None and not 32 <= self.short_side <= MAX_SHORT_SIDE:
            raise ValueError(
                f"short_side must be 32 to {MAX_SHORT_SIDE} pixels or None (the checkpoint's), got {self.short_side}."
            )
        if not 1 <= self.enlarge <= 8:
            raise ValueError(f"enlarge must lie in [1, 8], got {self.enlarge}.")
        if self.crop is not None and min(self.crop) < 32:
            raise ValueError(f"crop must be at least 32 × 32 pixels or None (whole images), got {self.crop}.")
        if self.held_out < 0:
            raise ValueError(f"held_out must be a number of images from 0, got {self.held_out}.")
        for name, limit in (
            ("teacher_decay", 1.0),
            ("confidence", 1.0),
            ("colour_transfer", 1.0),
            ("class_balance", 1.0),
            ("rare_class", math.inf),
        ):
            if not 0 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} must lie in [0, {limit:g}], got {getattr(self, name)}.")


def config_to_dict(config: AdaptationConfig) -> dict[str, Any]:
    """Every knob, nested as it is, ready for JSON."""
    return _ADAPTER.dump_python(config, mode="json")


def config_from_dict(values: dict[str, Any]) -> AdaptationConfig:
    """What :func:`config_to_dict` gave, or part of it: what is missing keeps its default.

    Raises:
        ValueError: Naming the first field that is unknown or has a value of the wrong kind.
    """
    return read_strictly(_ADAPTER, values, "the settings")


def read_strictly(adapter: TypeAdapter[T], values: dict[str, Any], whole: str) -> T:
    """Check plain values and make of them what the adapter describes.

    Raises:
        ValueError: Naming the first field that is unknown or has a value of the wrong kind; ``whole`` where it is none of them.
    """
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or whole
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


_ADAPTER = TypeAdapter(AdaptationConfig)
