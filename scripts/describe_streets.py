"""Show and count the rendered streets: the contact sheet of the README and the class frequencies of the data card.

    python scripts/describe_streets.py --contact-sheet docs/pictures/streets.png

Prints a Markdown table with the part of the labelled pixels that each class has in each folder, in percent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from pca_core.data import FolderDataset, class_frequencies, colorize

STREETS = Path(__file__).resolve().parents[1] / "assets/streets"
FOLDERS = ("noon", "noon-heldout", "dusk-rain", "dusk-rain-heldout")
SHOWN = ("noon", "dusk-rain")


def count_classes(dataset: FolderDataset) -> np.ndarray:
    """(K,) percent of the labelled pixels of all label maps together."""
    labels = np.concatenate([sample.label for sample in dataset])
    return 100 * class_frequencies(labels, dataset.label_space.num_classes)


def frequency_table(streets: Path) -> str:
    """The table of the data card: one row a class, one column a folder."""
    datasets = [FolderDataset(streets / folder) for folder in FOLDERS]
    columns = [count_classes(dataset) for dataset in datasets]
    lines = [f"| class | {' | '.join(FOLDERS)} |", f"| --- |{' ---: |' * len(FOLDERS)}"]
    for index, name in enumerate(datasets[0].label_space.class_names):
        lines.append(f"| {name} | {' | '.join(f'{column[index]:.2f}' for column in columns)} |")
    return "\n".join(lines)


def contact_sheet(streets: Path, rows: int, scale: float) -> Image.Image:
    """Each row a frame of either domain, its labels beside it; frames are taken evenly from each folder."""
    columns = []
    for folder in SHOWN:
        dataset = FolderDataset(streets / folder)
        chosen = [dataset[index] for index in np.linspace(0, len(dataset) - 1, rows).round().astype(int)]
        columns += [
            np.concatenate([sample.image for sample in chosen]),
            np.concatenate([colorize(sample.label, dataset.label_space) for sample in chosen]),
        ]
    sheet = Image.fromarray(np.concatenate(columns, axis=1))
    return sheet.resize((round(sheet.width * scale), round(sheet.height * scale)), Image.Resampling.LANCZOS)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streets", type=Path, default=STREETS, metavar="DIR", help="the rendered folders")
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE", help="also write a PNG of frames and labels")
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.6)
    arguments = parser.parse_args(argv)
    print(frequency_table(arguments.streets))
    if arguments.contact_sheet:
        sheet = contact_sheet(arguments.streets, arguments.rows, arguments.scale)
        sheet.point(lambda level: level & 0xFC).save(arguments.contact_sheet, optimize=True)  # unseen, and much smaller


if __name__ == "__main__":
    main()
