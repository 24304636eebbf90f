"""``cyclelens``: the core from the shell. One file per command, each with ``add_parser`` and ``run``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pca_core.checks import InputError
from pca_core.cli import (
    adapt,
    app,
    associate,
    doctor,
    evaluate,
    export,
    find_sources,
    import_checkpoint,
    inspect_checkpoint,
    inspect_data,
    models,
    runs,
    train,
)

COMMANDS = (
    train,
    adapt,
    runs,
    evaluate,
    associate,
    find_sources,
    export,
    inspect_data,
    models,
    import_checkpoint,
    inspect_checkpoint,
    app,
    doctor,
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cyclelens", description="See why a pixel adapts: pixel-level cycle association for domain-adaptive segmentation."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 a check found something missing, 2 unusable input, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except InputError as error:
        print(f"cyclelens: {error} [{error.code}]", file=sys.stderr)
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"cyclelens: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("cyclelens: interrupted.", file=sys.stderr)
        return 130
    return 2
