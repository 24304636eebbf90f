"""Where the app's own files lie: in a checkout beside the packages, in an installed wheel inside ``pca_core``.

Told here once more (``pca_core.data.streets`` has its own) because importing ``pca_core`` loads torch, and a first visitor is
shown both images while that happens.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSETS = next((folder for folder in (ROOT / "pca_core" / "assets", ROOT / "assets") if folder.is_dir()), ROOT / "assets")
STREETS = ASSETS / "streets"
