"""Draw procedural street scenes with exact labels as a plain-folder data set.

    python scripts/draw_streets.py --domain noon --count 6 --seed 7 --out assets/streets/noon

writes ``OUT/images/NAME.jpg``, ``OUT/labels/NAME.png`` and, where missing, ``classes.json`` beside ``OUT``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from streets.labels import CLASS_NAMES, PALETTE, VOID
from streets.render import DOMAINS, render


def classes_json() -> str:
    """The description of the label space, as a file's text."""
    spec = {
        "name": "camvid-11",
        "class_names": list(CLASS_NAMES),
        "ignore_index": VOID,
        "palette": [list(rgb) for rgb in PALETTE],
    }
    return json.dumps(spec, indent=2) + "\n"


def colours() -> np.ndarray:
    """Palette (12, 3) with black for void."""
    return np.array([*PALETTE, (0, 0, 0)], np.uint8)


def write_pair(out: Path, name: str, image: np.ndarray, label: np.ndarray) -> None:
    """Write one image and its palette label."""
    Image.fromarray(image).save(out / "images" / f"{name}.jpg", quality=90)
    indexed = Image.fromarray(label)
    indexed.putpalette(colours().flatten().tolist())
    indexed.save(out / "labels" / f"{name}.png", optimize=True)


def write_set(domain: str, count: int, seed: int, out: Path) -> None:
    """Write ``count`` pairs and the class file."""
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    classes = out.parent / "classes.json"
    if not classes.exists():
        classes.write_text(classes_json(), encoding="utf-8")
    for i in range(count):
        write_pair(out, f"{domain}_{i + 1:04d}", *render(domain, seed, i))


def contact_sheet(domains: list[str], count: int, seed: int, scale: float = 1.0) -> Image.Image:
    """A grid: each row one index, images and coloured labels of each domain side by side."""
    rows = []
    for i in range(count):
        cells = []
        for domain in domains:
            image, label = render(domain, seed, i)
            cells += [image, colours()[label]]
        rows.append(np.hstack(cells))
    sheet = Image.fromarray(np.vstack(rows))
    size = (round(sheet.width * scale), round(sheet.height * scale))
    return sheet.resize(size, Image.Resampling.LANCZOS) if scale != 1 else sheet


def main(argv: list[str] | None = None) -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", choices=[*DOMAINS, "both"], required=True, help="both: contact sheet only")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, help="folder of the data set")
    parser.add_argument("--contact-sheet", type=Path, help="PNG with images and coloured labels")
    parser.add_argument("--sheet-scale", type=float, default=1.0)
    args = parser.parse_args(argv)
    if not args.out and not args.contact_sheet:
        parser.error("give --out, --contact-sheet or both")
    if args.out and args.domain == "both":
        parser.error("--out takes one domain")
    if args.out:
        write_set(args.domain, args.count, args.seed, args.out)
    if args.contact_sheet:
        domains = list(DOMAINS) if args.domain == "both" else [args.domain]
        args.contact_sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(domains, args.count, args.seed, args.sheet_scale)
        sheet.point(lambda level: level & 0xFC).save(args.contact_sheet, optimize=True)  # unseen, and much smaller
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
