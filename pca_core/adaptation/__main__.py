"""``torchrun --nproc-per-node=N -m pca_core.adaptation …``: takes what ``cyclelens adapt`` takes."""

from __future__ import annotations

import sys

from pca_core.cli import main

if __name__ == "__main__":
    sys.exit(main(["adapt", *sys.argv[1:]]))
