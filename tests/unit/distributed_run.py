"""Run by two processes under torchrun, or by one: the losses of a few steps, printed by the first."""

from __future__ import annotations

import faulthandler
import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch

from pca_core.adaptation import adapt
from pca_core.adaptation.distributed import process_group, rank
from pca_core.data import FolderDataset
from pca_core.training import OptimizerConfig
from tests.unit.adaptation_data import TINY, make_checkpoint


def main(root: str, out: str) -> None:
    faulthandler.dump_traceback_later(120, exit=True)  # should it hang, where
    torch.set_num_threads(1)
    source, target = FolderDataset(Path(root) / "source"), FolderDataset(Path(root) / "target", domain="target")
    config = replace(TINY, steps=3, batch_size=2, accumulation=2, with_teacher=True, optimizer=OptimizerConfig("sgd", 0.05))
    with process_group(torch.device("cpu"), patience=timedelta(seconds=90)) as device:
        adaptation = adapt(make_checkpoint(source), source, target, config, device=device)
        steps = [{"losses": step.losses, "norm": step.gradient_norm, "association": step.association} for step in adaptation]
        if rank() == 0:
            weights = {name: tensor.double().sum().item() for name, tensor in adaptation.checkpoint().model.state_dict().items()}
            Path(out).write_text(json.dumps({"steps": steps, "weights": weights}))
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(*sys.argv[1:3])
