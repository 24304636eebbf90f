"""Any segmentation net of a library as one of ours: what feeds its last classifier becomes the features.

The classifier is found, not known: of all convolutions with K outputs, the one that runs last, or all of the last one's shape
where a net adds them. A probe checks that their outputs, scaled up, are what the net answers, so that a net of another build is
refused and never misread. Inputs and outputs are picked up by a hook while the net runs as its authors wrote it. Sides that the
net cannot take are scaled to the nearest that it can, so that features always cover the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pca_core.checks import InputError, shorten
from pca_core.models.normalisation import InputNormalisation
from pca_core.types import SegmentationOutput

# Per thread and call, not per net: sessions share one net. The hook is a plain function, so that copies of a net keep it.
_SEEN: ContextVar[list | None] = ContextVar("seen", default=None)
PROBE_PIXELS = 64
TOLERANCE = 1e-3  # of the largest score
Seen = list[tuple[nn.Module, Tensor, Tensor]]


def _record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    seen = _SEEN.get()
    if seen is not None:
        seen.append((module, inputs[0], output))


@dataclass(frozen=True)
class Recipe:
    """What builds a net again without its files or the network.

    Attributes:
        architecture: A name for :func:`~pca_core.models.build_model`.
        options: JSON values.
    """

    architecture: str
    options: Mapping[str, object] = field(default_factory=dict)


class LibraryNet(nn.Module):
    """A net of a library that returns :class:`~pca_core.types.SegmentationOutput`.

    Args:
        net: (B, 3, H, W) → anything; run for what passes through its classifier.
        num_classes: K.
        recipe: What builds it again.
        normalisation: Of its input, as it was published.
        multiple: Both sides of an image are scaled to a multiple of this.
        native_size: (height, width) that the net was made for; used when it takes no other.
        min_stride: Finer features are averaged over blocks up to this stride before they are classified.

    Attributes:
        fresh: Weights that a pretrained file did not have or had in another shape, and that therefore start anew.

    Raises:
        InputError: ``MODEL_HEAD`` or ``MODEL_INPUT``.
    """

    fresh: tuple[str, ...] = ()

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        recipe: Recipe,
        *,
        normalisation: InputNormalisation,
        multiple: int,
        native_size: tuple[int, int] | None = None,
        min_stride: int = 1,
    ) -> None:
        super().__init__()
        if any(parameter.is_meta for parameter in net.parameters()):
            net.to("meta")  # what is not a parameter too: all of it on one device
        self.net, self.recipe, self.normalisation = net, recipe, normalisation
        self.size_multiple, self.min_side, self.fixed_size = multiple, 1, None
        for module in net.modules():
            if isinstance(module, nn.Conv2d) and module.out_channels == num_classes:
                module.register_forward_hook(_record)
        self.num_classes, self.classifiers = num_classes, ()
        self._pool, self.output_stride = 1, 1
        self._measure(native_size, min_stride)

    @torch.no_grad()
    def _measure(self, native_size: tuple[int, int] | None, min_stride: int) -> None:
        """Find the sizes that the net takes, its classifier and its stride by running it once on noise."""
        count = max(2, -(-PROBE_PIXELS // self.size_multiple))
        small, large = ((n * self.size_multiple, (n + 1) * self.size_multiple) for n in (count, 4 * count))
        was_training = self.net.training
        self.net.eval()
        try:
            size, answer, seen = self._try([small, large, *([native_size] if native_size else [])])
        finally:
            self.net.train(was_training)
        self.min_side = 1 if size == small else size[0]
        self.fixed_size = size if size == native_size else None
        self.classifiers = self._name_classifiers(answer, seen)
        stride = size[0] // self._pick(seen)[0].shape[-2]
        self._pool = max(1, min_stride // max(stride, 1))
        self.output_stride = stride * self._pool
        self.size_multiple = math.lcm(self.size_multiple, self.output_stride if self._pool > 1 else 1)

    def _try(self, sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], object, Seen]:
        """The first size that the net takes, what it answers, and what its hooks saw there."""
        parameter, generator = next(self.net.parameters()), torch.Generator().manual_seed(0)
        for size in sizes:
            try:
                noise = torch.randn(1, 3, *size, generator=generator, device="cpu")
                return size, *self._run(noise.to(parameter.device, parameter.dtype))
            except (RuntimeError, ValueError, AssertionError, TypeError) as error:  # whatever a library says of a wrong size
                reason = str(error).rstrip(".")
        raise InputError(
            "MODEL_INPUT",
            f"{self.recipe.architecture} cannot take an image of {size[0]} × {size[1]} pixels ({shorten(reason)}). "
            "Choose another net.",
        )

    def _run(self, x: Tensor) -> tuple[object, Seen]:
        token = _SEEN.set(seen := [])
        try:
            return self.net(x), seen
        finally:
            _SEEN.reset(token)

    def _name_classifiers(self, answer: object, seen: Seen) -> tuple[str, ...]:
        if seen:
            together = [entry for entry in seen if entry[2].shape == seen[-1][2].shape]
            for entries in (seen[-1:], together):
                if _is_explained(answer, sum(logits for _, _, logits in entries)):
                    modules = [module for module, _, _ in entries]
                    return tuple(name for name, module in self.net.named_modules() if module in modules)
        raise InputError(
            "MODEL_HEAD",
            f"{self.recipe.architecture} has no layer that gives each pixel its {self.num_classes} scores, where association "
            "starts. Choose a net with a per-pixel classifier (SegFormer, DPT, UPerNet, DeepLab, U-Net, …).",
        )

    def _pick(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Features and logits out of what the hooks saw."""
        by_module = {id(module): (features, logits) for module, features, logits in seen}
        parts = [by_module[id(self.net.get_submodule(name))] for name in self.classifiers]
        features, logits = zip(*parts, strict=True)
        return (features[0], logits[0]) if len(parts) == 1 else (torch.cat(features, 1), sum(logits))

    def fit_size(self, height: int, width: int) -> tuple[int, int]:
        """The nearest size that the net takes."""
        if self.fixed_size is not None:
            return self.fixed_size
        sides = (max(side, self.min_side) for side in (height, width))
        return tuple(max(1, round(side / self.size_multiple)) * self.size_multiple for side in sides)

    def forward(self, x: Tensor) -> SegmentationOutput:
        """(B, 3, H, W) normalised image → features and logits that cover all of it."""
        size = self.fit_size(*x.shape[-2:])
        if size != tuple(x.shape[-2:]):
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
        features, logits = self._pick(self._run(x)[1])
        if self._pool > 1:
            features = F.avg_pool2d(features, self._pool, ceil_mode=True)
            logits = self.classify(features)
        return SegmentationOutput(features, logits, self.output_stride)

    def classify(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → logits (B, K, h, w)."""
        modules = [self.net.get_submodule(name) for name in self.classifiers]
        parts = features.split([module.in_channels for module in modules], dim=1)
        return sum(module(part) for module, part in zip(modules, parts, strict=True))


def _is_explained(answer: object, logits: Tensor) -> bool:
    """Whether a net's answer is these logits, scaled up; taken for granted on ``meta``, where there are no numbers."""
    if isinstance(answer, Mapping):
        answer = answer.get("out", answer.get("logits"))
    if not isinstance(answer, Tensor) or answer.ndim != 4 or logits.ndim != 4:
        return False
    if answer.is_meta:
        return True
    sizes = {"size": answer.shape[-2:], "mode": "bilinear"}
    scaled = (F.interpolate(logits, align_corners=is_aligned, **sizes) for is_aligned in (False, True))
    return any((scores - answer).abs().max() <= TOLERANCE * answer.abs().max() for scores in scaled)
