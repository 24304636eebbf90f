"""``cyclelens export``: make the figures of an exported view again, without a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from pca_core.cli import common
from pca_core.device import pick_device
from pca_core.storage import check_writable, write_atomic

FORMATS = ("png", "svg", "pdf")


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("export", help="make the figures of an exported bundle again", description=__doc__)
    parser.add_argument("--recipe", required=True, metavar="FILE", help="recipe.json of an unpacked bundle, inputs/ beside it")
    parser.add_argument("--out", metavar="DIR", help="folder for the figures (default: again/ beside the recipe)")
    parser.add_argument("--checkpoint", metavar="FILE", help="the net, where it was too large for the bundle")
    parser.add_argument("--figure", action="append", metavar="NAME", help="only this figure; repeatable")
    parser.add_argument("--format", action="append", choices=FORMATS, help="instead of the recipe's formats; repeatable")
    parser.add_argument("--scale", type=float, metavar="1-4", help="of PNGs, instead of the recipe's")
    parser.add_argument("--data", action="store_true", help="also the arrays (NPZ) and tables (CSV) behind the figures")
    common.add_device(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from pca_core.export.bundle import draw_recipe, tell_data
    from pca_core.export.recipe import Inputs, change_recipe, open_recipe, read_recipe, versions

    asked = {"figures": arguments.figure, "formats": arguments.format, "scale": arguments.scale}
    changes = {name: value for name, value in asked.items() if value is not None}
    recipe = change_recipe(read_recipe(arguments.recipe), **changes)
    folder = Path(arguments.out) if arguments.out else Path(arguments.recipe).parent / "again"
    check_writable(folder)
    inputs = Inputs.beside(arguments.recipe, arguments.checkpoint)
    view = open_recipe(recipe, inputs, pick_device(arguments.device))
    files = []
    for name, data in common.progress("figure")(draw_recipe(view, recipe)):
        write_atomic(folder / name, data)
        files.append(name)
    if arguments.data:
        for name, _, data in tell_data(view, recipe):
            write_atomic(folder / name, data)
            files.append(name)
    here = versions()
    changed = {name: [was, here.get(name)] for name, was in recipe.versions.items() if was != here.get(name)}
    note = "".join(f" {name} was {was}, is {now}." for name, (was, now) in changed.items())
    facts = {"out": str(folder), "files": files, "changed_versions": changed}
    common.emit(arguments.json, facts, f"Wrote {', '.join(files)} to {folder}/.{note}")
    return 0
