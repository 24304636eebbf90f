"""Render streets of a domain with their labels; needs Blender's Python module (see assets/streets/README.md).

    python -m scripts.render_streets --domain noon --count 160 --seed 1 --out assets/streets/noon

Frame i depends on domain, seed and i alone; frames whose files are there already are left as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.streets.layout import lay_out
from scripts.streets.post import develop
from scripts.streets.street import DOMAINS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", choices=DOMAINS, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--first", type=int, default=0, help="index of the first frame")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--height", type=int, default=256)
    arguments = parser.parse_args()
    from scripts.streets.blender import Studio

    studio = Studio(arguments.domain, arguments.width, arguments.height)
    for folder in ("images", "labels"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    for index in range(arguments.first, arguments.first + arguments.count):
        name = f"{arguments.domain.replace('-', '_')}_{index + 1:04d}"
        image, label = arguments.out / "images" / f"{name}.jpg", arguments.out / "labels" / f"{name}.png"
        if image.exists() and label.exists():
            continue
        started = time.perf_counter()
        street = lay_out(arguments.domain, arguments.seed, index)
        light, ids = studio.render(street)
        write_label(ids, label)
        write_image(develop(light, arguments.domain, street.seed), image)
        print(f"{name}  {time.perf_counter() - started:.1f} s", flush=True)


def write_image(pixels: np.ndarray, path: Path) -> None:
    """JPEG of quality 90, whole or not at all: a frame that is there is not rendered again."""
    temporary = path.with_suffix(".part")
    Image.fromarray(pixels).save(temporary, "JPEG", quality=90)
    temporary.replace(path)


def write_label(ids: np.ndarray, path: Path) -> None:
    """Palette PNG in the colours of camvid-11; void is 11."""
    palette = json.loads((Path(__file__).resolve().parents[1] / "assets/streets/classes.json").read_text())["palette"]
    picture = Image.fromarray(ids, "P")
    picture.putpalette(bytes(np.array([*palette, (128, 128, 128)], np.uint8)))
    temporary = path.with_suffix(".part")
    picture.save(temporary, "PNG", optimize=True)
    temporary.replace(path)


if __name__ == "__main__":
    main()
