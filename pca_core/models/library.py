"""Nets of well-known libraries behind the one interface: features are what feeds the last classifier, whatever the net is called.

No code per model. Of all convolutions and linear layers with as many outputs as there are classes, those are the classifier
whose outputs, scaled up, are what the net answers: the last one, or, where a net adds several of one resolution, all of them.
A probe checks that once, so that a net of another build is refused and never misread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pca_core.checks import InputError
from pca_core.types import SegmentationOutput

PROBE_SIZE = 64
TOLERANCE = 1e-3  # of the largest score


class LibraryNet(nn.Module):
    """A foreign segmentation net that returns :class:`~pca_core.types.SegmentationOutput`.

    An input whose sides are no multiples of ``multiple`` is scaled to the nearest multiples, so that feature pixels still cover
    the image evenly. Heads that only help training are ignored.

    Args:
        net: Any module that maps (B, 3, H, W) to scores, whatever it wraps them in.
        num_classes: K.
        multiple: What the sides of its input must be multiples of.
        architecture, options: What :func:`~pca_core.models.build_model` needs to build it again, without internet; JSON values.

    Raises:
        InputError: ``MODEL_HEAD``, at the first use, when no layer gives each pixel its scores.
    """

    def __init__(self, net: nn.Module, num_classes: int, multiple: int, architecture: str, options: Mapping[str, object]) -> None:
        super().__init__()
        self.net = net
        self.architecture, self.options = architecture, dict(options)
        self._multiple, self._num_classes = multiple, num_classes
        self._found: tuple[tuple[str, ...], int] | None = None  # names of the classifier's layers, and the stride

    @property
    def output_stride(self) -> int:
        """Input pixels per feature pixel."""
        return self._classifier()[1]

    def forward(self, x: Tensor) -> SegmentationOutput:
        """(B, 3, H, W) normalised image → features and logits at the resolution of the features."""
        names, stride = self._classifier()
        size = tuple(max(1, round(side / self._multiple)) * self._multiple for side in x.shape[-2:])
        if size != tuple(x.shape[-2:]):
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        with _watch(self.net, names) as seen:
            self.net(x)
        maps = [_as_maps(*seen[name]) for name in names]
        return SegmentationOutput(torch.cat([features for features, _ in maps], 1), sum(logits for _, logits in maps), stride)

    def classify(self, features: Tensor) -> Tensor:
        """(B, C, h, w) → logits (B, K, h, w)."""
        layers = [self.net.get_submodule(name) for name in self._classifier()[0]]
        widths = [layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels for layer in layers]
        return sum(_apply(layer, part) for layer, part in zip(layers, features.split(widths, 1), strict=True))

    def _classifier(self) -> tuple[tuple[str, ...], int]:
        if self._found is None:
            self._found = self._probe()
        return self._found

    @torch.no_grad()
    def _probe(self) -> tuple[tuple[str, ...], int]:
        """Find the classifier in one run on noise, in eval mode so that nothing is learnt from it."""
        candidates = [
            name for name, module in self.net.named_modules() if _num_outputs(module) == self._num_classes and "aux" not in name
        ]
        parameter, was_training = next(self.net.parameters()), self.net.training
        side = self._multiple * max(4, -(-PROBE_SIZE // self._multiple))
        x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(parameter)
        try:
            with _watch(self.net.eval(), candidates) as seen:
                answer = _scores(self.net(x))
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise InputError(
                "MODEL_INPUT",
                f"{self.architecture} takes no image of {side} × {side} pixels ({reason[:160]}). Choose another net.",
            ) from None
        finally:
            self.net.train(was_training)
        maps = {name: found for name, values in seen.items() if (found := _as_maps(*values)) is not None}
        names = _explain(answer, {name: logits for name, (_, logits) in maps.items()})
        if not names:
            raise InputError(
                "MODEL_HEAD",
                f"{self.architecture} has no layer that gives each pixel its {self._num_classes} scores, where association "
                "starts. Choose a net with a per-pixel classifier (SegFormer, DPT, UPerNet, DeepLab, U-Net, …).",
            )
        return names, max(1, round(side / maps[names[0]][0].shape[-1]))


def _explain(answer: Tensor | None, logits: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Names of the layers whose outputs, scaled up, are the net's answer; none when there are none."""
    if answer is None or not logits:
        return ()
    last = next(reversed(logits))
    together = tuple(name for name, scores in logits.items() if scores.shape == logits[last].shape)
    for names in ((last,), together):
        scores = sum(logits[name] for name in names)
        for align_corners in (False, True):
            scaled = F.interpolate(scores, size=answer.shape[-2:], mode="bilinear", align_corners=align_corners)
            if (scaled - answer).abs().max() <= TOLERANCE * answer.abs().max():
                return names
    return ()


def _scores(answer: object) -> Tensor | None:
    """(B, K, H, W) out of what libraries wrap it in."""
    if isinstance(answer, Mapping):
        answer = answer.get("out", answer.get("logits"))
    return answer if isinstance(answer, Tensor) and answer.ndim == 4 else None


@contextmanager
def _watch(net: nn.Module, names):
    """Inputs and outputs of the named layers while the net runs, in the order in which they ran last."""
    seen: dict[str, tuple[nn.Module, Tensor, Tensor]] = {}

    def note(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen.pop(name, None)
            seen[name] = (module, inputs[0], output)

        return hook

    hooks = [net.get_submodule(name).register_forward_hook(note(name)) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _num_outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Conv2d):
        return module.out_channels
    return module.out_features if isinstance(module, nn.Linear) else None


def _as_maps(module: nn.Module, inputs: Tensor, output: Tensor) -> tuple[Tensor, Tensor] | None:
    """(B, C, h, w) and (B, K, h, w) of a layer; linear layers have channels last. None when it sees no map."""
    if inputs.ndim != 4 or min(inputs.shape[-2:]) < 2:
        return None
    return (inputs.movedim(-1, 1), output.movedim(-1, 1)) if isinstance(module, nn.Linear) else (inputs, output)


def _apply(layer: nn.Module, features: Tensor) -> Tensor:
    return layer(features.movedim(1, -1)).movedim(-1, 1) if isinstance(layer, nn.Linear) else layer(features)


class TokenHead(nn.Module):
    """A backbone and one linear layer a feature pixel.

    Args:
        backbone: Has ``forward_features``.
        channels: C.
        num_classes: K.
        to_map: Turns what the backbone gives for an input of (H, W) into (B, C, h, w).
    """

    def __init__(
        self, backbone: nn.Module, channels: int, num_classes: int, to_map: Callable[[Tensor, tuple[int, int]], Tensor]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(channels, num_classes, 1)
        self._to_map = to_map

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self._to_map(self.backbone.forward_features(x), tuple(x.shape[-2:])))
