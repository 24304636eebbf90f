"""Adaptation on several processes under ``torchrun``; with one process everything here does nothing."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from pca_core.checks import InputError


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def process_group(
    device: torch.device, *, backend: str | None = None, patience: timedelta | None = None
) -> Iterator[torch.device]:
    """Join the processes that ``torchrun`` started; yields the device of this process.

    Args:
        device: Of one process.
        backend: None is nccl on CUDA and gloo on the CPU.
        patience: How long one process waits for another before it fails; None is the backend's.
    """
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) < 2:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group(backend or ("nccl" if device.type == "cuda" else "gloo"), timeout=patience)
    # DDP holds the group too. Were it the last to let go of it, the group's threads would be waited for under the interpreter's
    # lock, which one of them may want: a process that had done its work was seen to hang like that. This one lets go without it.
    atexit.register(_let_go, dist.group.WORLD)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _let_go(_: object) -> None:
    """Called when Python ends; the registration holds what is let go of."""


def wait_for_all() -> None:
    """Go on once every process is here."""
    if dist.is_initialized():
        dist.barrier()


def share(batch_size: int) -> int:
    """How many of the pairs that pass through the net at a time pass through it in each process.

    Raises:
        InputError: ``ADAPT_BATCH`` when they cannot be shared out evenly.
    """
    if batch_size % world_size():
        raise InputError(
            "ADAPT_BATCH",
            f"A batch of {batch_size} pairs cannot be shared out over {world_size()} processes. "
            f"Make batch_size a multiple of {world_size()}.",
        )
    return batch_size // world_size()


def places(batch_size: int, accumulation: int) -> list[int]:
    """Which places of a step's batch this process makes: its share of every part, so that parts hold what they would in one."""
    count = share(batch_size)
    return [part * batch_size + rank() * count + place for part in range(accumulation) for place in range(count)]


def wrap(network: nn.Module, device: torch.device) -> nn.Module:
    """Average gradients over processes. Statistics are synchronised by the layers themselves, so buffers are left alone."""
    if world_size() == 1:
        return network
    return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None, broadcast_buffers=False)


def no_sync(network: nn.Module):
    """Gradients of all but the last part of a step are added up before they travel."""
    return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()


def mean(values: Tensor) -> Tensor:
    """Mean over processes."""
    if world_size() == 1:
        return values
    dist.all_reduce(values)
    return values / world_size()


def agree(flag: bool) -> bool:
    """Whether the flag is set in any process: all must stop after the same step."""
    return bool(mean(torch.tensor([float(flag)], device=_collective_device())) > 0)


def _collective_device() -> str:
    return "cuda" if dist.is_initialized() and dist.get_backend() == "nccl" else "cpu"


def synchronise_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """Batch norms that see the batches of all processes as one; the names of their weights stay."""
    if world_size() == 1:
        return model
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, _BatchNorm):
                setattr(parent, name, _synchronised(layer))
    return model


def _synchronised(layer: _BatchNorm) -> _BatchNorm:
    made = CrossProcessBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats, device="meta"
    )
    made._parameters, made._buffers, made.training = layer._parameters, layer._buffers, layer.training
    return made


class CrossProcessBatchNorm(_BatchNorm):
    """SyncBatchNorm for the CPU, where torch's refuses: the same sums through a differentiable all-reduce."""

    def _check_input_dim(self, x: Tensor) -> None:
        pass  # any number of axes after the channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) → the same shape."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        axes, shape, dtype = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2)), x.dtype
        x = x.to(self.weight.dtype if self.affine else torch.float32)  # sums of bfloat16 lose what they are made of
        sums = all_reduce(torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])]))
        count = sums[-1].detach()
        mean_C = sums[:-1] / count
        centred = x - mean_C.view(shape)
        variance_C = all_reduce(centred.square().sum(axes)) / count
        self._remember(mean_C, variance_C, count)
        scaled = centred * (variance_C + self.eps).rsqrt().view(shape)
        return (scaled * self.weight.view(shape) + self.bias.view(shape) if self.affine else scaled).to(dtype)

    @torch.no_grad()
    def _remember(self, mean_C: Tensor, variance_C: Tensor, count: Tensor) -> None:
        if not self.track_running_stats:
            return
        self.num_batches_tracked.add_(1)
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C, weight)
        self.running_var.lerp_(variance_C * count / (count - 1), weight)
