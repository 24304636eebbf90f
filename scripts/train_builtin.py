"""Train the built-in checkpoint on noon streets and measure how far it gets at dusk in the rain.

    python scripts/train_builtin.py --oracle DIR/oracle.safetensors

writes ``assets/compact_noon.safetensors`` and prints the figures of its model card as JSON. Frames of the held-out folders are
only scored on. The oracle is the same net with the same config trained on dusk-rain labels, which nothing else here reads.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from pca_core.adaptation import with_target_statistics
from pca_core.data import FolderDataset
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.models import Checkpoint, load_checkpoint, save_checkpoint
from pca_core.training import TrainConfig, train

ROOT = Path(__file__).resolve().parents[1]
CONFIG = TrainConfig(steps=800, batch_size=4, short_side=256)
HELD_OUT = ("noon-heldout", "dusk-rain-heldout")


def train_on(dataset: FolderDataset, out: Path, config: TrainConfig) -> float:
    """Train, or go on with an interrupted run, and store in half precision; returns the minutes that this took."""
    is_resumed = out.with_name(out.name + ".resume").exists()
    steps = train(dataset, out, config, is_resumed=is_resumed)
    seconds = sum(step.seconds for step in tqdm(steps, total=config.steps, unit="step", desc=dataset.root.name))
    save_checkpoint(out, load_checkpoint(out), is_half=True)
    return seconds / 60


def measure(checkpoint: Checkpoint, dataset: FolderDataset) -> dict:
    """Scores of plain inference and of inference with aggregation."""
    return {
        name: score(evaluate(checkpoint, dataset, is_aggregated=is_aggregated)).to_dict(checkpoint.label_space.class_names)
        for name, is_aggregated in (("plain", False), ("aggregated", True))
    }


def compare(figures: dict) -> dict:
    """Plain mIoU on held-out dusk-rain: points from the net to the oracle, and the part of this gap that AdaBN closes."""
    source, adabn, oracle = (figures[net]["dusk-rain-heldout"]["plain"]["miou"] for net in ("source_only", "adabn", "oracle"))
    gap = oracle - source
    return {"gap": gap, "closed_by_adabn": (adabn - source) / gap if gap > 0 else None}


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streets", type=Path, default=ROOT / "assets/streets", metavar="DIR", help="the rendered folders")
    parser.add_argument("--out", type=Path, default=ROOT / "assets/compact_noon.safetensors")
    parser.add_argument("--oracle", type=Path, metavar="FILE", help="also train the oracle and write it here")
    parser.add_argument("--steps", type=int, default=CONFIG.steps)
    parser.add_argument("--short-side", type=int, default=CONFIG.short_side, help="pixels of the shorter side of a view")
    parser.add_argument("--score-only", action="store_true", help="score the checkpoints that are there")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    arguments = parse(argv)
    config = replace(CONFIG, steps=arguments.steps, short_side=arguments.short_side)
    nets = {"source_only": ("noon", arguments.out)} | ({"oracle": ("dusk-rain", arguments.oracle)} if arguments.oracle else {})
    minutes = {}
    if not arguments.score_only:
        for net, (folder, path) in nets.items():
            minutes[net] = train_on(FolderDataset(arguments.streets / folder), path, config)
    checkpoints = {net: load_checkpoint(path) for net, (_, path) in nets.items()}
    checkpoints["adabn"] = with_target_statistics(checkpoints["source_only"], FolderDataset(arguments.streets / "dusk-rain"))
    scored = {net: HELD_OUT if net == "source_only" else HELD_OUT[1:] for net in checkpoints}
    figures: dict = {
        net: {folder: measure(checkpoints[net], FolderDataset(arguments.streets / folder)) for folder in folders}
        for net, folders in scored.items()
    }
    if arguments.oracle:
        figures["comparison"] = compare(figures)
    print(json.dumps(figures | {"steps": config.steps, "minutes": minutes}, indent=1))


if __name__ == "__main__":
    main()
