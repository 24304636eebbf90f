"""``cyclelens import-checkpoint``: foreign weights (``.pt``, ``.pth``, ``.safetensors``) become a checkpoint of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from pca_core.cli import common
from pca_core.data import get_label_space
from pca_core.models import import_checkpoint, save_checkpoint


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("import-checkpoint", help="convert a .pt file, safely", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="state dict, also inside {'weights': …} or {'state_dict': …}")
    parser.add_argument("--architecture", required=True, metavar="NAME", help="the net that it belongs to (cyclelens models)")
    parser.add_argument(
        "--label-space", required=True, metavar="NAME", help="its classes in the order of its outputs, e.g. plca-19"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="checkpoint to write (.safetensors)")
    parser.add_argument(
        "--short-side", type=int, default=512, help="pixels of the shorter image side at inference (default: 512)"
    )
    parser.add_argument("--half", action="store_true", help="store the weights in float16, half the size")
    common.add_architecture_options(parser)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = common.checkpoint_path(arguments.out)
    space = get_label_space(arguments.label_space)
    given = {"short_side": arguments.short_side, "options": common.architecture_options(arguments)}
    checkpoint = import_checkpoint(arguments.file, arguments.architecture, space, **given)
    save_checkpoint(out, checkpoint, is_half=arguments.half)
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    facts = {
        "checkpoint": str(out),
        "architecture": checkpoint.architecture,
        "label_space": space.name,
        "parameters": parameters,
        "bytes": Path(out).stat().st_size,
    }
    what = f"{checkpoint.architecture}, {parameters / 1e6:.1f} M parameters, {space.num_classes} classes ({space.name})"
    text = f"Wrote {out}: {what}."
    common.emit(arguments.json, facts, text)
    return 0
