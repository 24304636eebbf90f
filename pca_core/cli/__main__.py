"""``python -m pca_core.cli``: the same as ``cyclelens``."""

import sys

from pca_core.cli import main

sys.exit(main())
