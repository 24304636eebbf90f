"""Train the built-in checkpoint on drawn noon streets and measure it on streets that it has not seen.

    python scripts/train_builtin.py --work DIR --out assets/compact_noon.safetensors

Draws what is not there yet in ``--work``: 240 noon images of seed 1 to train on, 40 noon and 40 dusk images of seed 2 to score
on. The labels of the scoring images are used for nothing else. Prints the figures of the model card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from pca_core.data import FolderDataset
from pca_core.inference import evaluate
from pca_core.metrics import score
from pca_core.models import load_checkpoint, save_checkpoint
from pca_core.training import TrainConfig, train

DRAWN = {"train": ("noon", 240, 1), "held_noon": ("noon", 40, 2), "held_dusk": ("dusk", 40, 2)}
CONFIG = TrainConfig(steps=1000, batch_size=4, short_side=256)


def draw(work: Path) -> dict[str, FolderDataset]:
    """Draw the data sets that are missing and open all of them."""
    datasets = {}
    for name, (domain, count, seed) in DRAWN.items():
        folder = work / name / domain
        if not folder.exists():
            command = [sys.executable, str(Path(__file__).with_name("draw_streets.py")), "--domain", domain]
            subprocess.run([*command, "--count", str(count), "--seed", str(seed), "--out", str(folder)], check=True)
        datasets[name] = FolderDataset(folder)
    return datasets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where drawn images are kept")
    parser.add_argument("--out", type=Path, default=Path("assets/compact_noon.safetensors"))
    parser.add_argument("--steps", type=int, default=CONFIG.steps)
    parser.add_argument("--score-only", action="store_true", help="score an existing checkpoint")
    arguments = parser.parse_args()
    datasets = draw(arguments.work)
    if not arguments.score_only:
        config = TrainConfig(steps=arguments.steps, batch_size=CONFIG.batch_size, short_side=CONFIG.short_side)
        for _ in tqdm(train(datasets["train"], arguments.out, config), total=config.steps, unit="step"):
            pass
        save_checkpoint(arguments.out, load_checkpoint(arguments.out), is_half=True)
    checkpoint = load_checkpoint(arguments.out)
    figures = {}
    for name in ("held_noon", "held_dusk"):
        for is_aggregated in (False, True):
            result = score(evaluate(checkpoint, datasets[name], is_aggregated=is_aggregated))
            figures[name + ("_aggregated" if is_aggregated else "")] = result.to_dict(checkpoint.label_space.class_names)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
