"""What the app opens on: the built-in pair and net, or what follows ``--`` on Streamlit's command line."""

from __future__ import annotations

import argparse
import sys

from pca_core.data.streets import BUILT_IN_NET, DOMAINS, HELD_OUT, PREFIX, STREETS

BUILT_IN = {"source": STREETS / "noon", "target": STREETS / "dusk-rain"}
BUILT_IN_NAMES = tuple(PREFIX + domain + part for domain in DOMAINS for part in ("", HELD_OUT))
BUILT_IN_CHECKPOINT = BUILT_IN_NET


def read_defaults() -> dict[str, str]:
    """Paths of this server: ``source`` and ``target`` folders and the ``net``."""
    parser = argparse.ArgumentParser(add_help=False)
    for flag in ("--source", "--target", "--checkpoint"):
        parser.add_argument(flag)
    arguments = parser.parse_known_args(sys.argv[1:])[0]  # anything else there is none of ours
    return {
        "source": arguments.source or str(BUILT_IN["source"]),
        "target": arguments.target or str(BUILT_IN["target"]),
        "net": arguments.checkpoint or str(BUILT_IN_CHECKPOINT),
    }
