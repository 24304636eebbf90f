"""``cyclelens models``: the nets that can be built here."""

from __future__ import annotations

import argparse

import torch

from pca_core.cli import common
from pca_core.models import FAMILIES, MODELS, build_model, is_installed

PROBE = (1, 3, 64, 64)


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("models", help="list the nets that can be built", description=__doc__)
    common.add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    facts = [_measure(name) for name in MODELS]
    rows = [f"{'net':<24}{'parameters':>12}{'feature stride':>16}{'channels':>10}"]
    rows += [
        f"{row['name']:<24}{row['parameters'] / 1e6:>10.1f} M{row['feature_stride']:>16}{row['feature_channels']:>10}"
        for row in facts
    ]
    families = [
        {"prefix": prefix, "what": family.what, "example": family.example, "is_installed": is_installed(family)}
        for prefix, family in FAMILIES.items()
    ]
    rows += ["", "of libraries (pip install -r requirements-models.txt):"]
    rows += [
        f"  {row['prefix']:<14}{'installed' if row['is_installed'] else 'not installed':<15}{row['what']}, e.g. {row['example']}"
        for row in families
    ]
    common.emit(arguments.json, {"models": facts, "families": families}, "\n".join(rows))
    return 0


def _measure(name: str, num_classes: int = 19) -> dict:
    """Counted on a net without memory."""
    with torch.device("meta"):
        model = build_model(name, num_classes=num_classes).eval()
        output = model(torch.empty(PROBE))
    return {
        "name": name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "feature_stride": output.output_stride,
        "feature_channels": output.features.shape[1],
    }
