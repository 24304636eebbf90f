"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016): RGB/0000000.png and GT/LABELS/0000000.png.

Labels are 16-bit RGB PNGs: the red channel is the class, the green one numbers the instances. GT/COLOR is for people.
"""

from __future__ import annotations

from pathlib import Path

from pca_core.data.conventions import CONVENTIONS
from pca_core.data.label_spaces import LABEL_SPACES
from pca_core.data.layouts.base import ALL, Endings, Layout, Listing, Place, has_folder, list_pairs
from pca_core.data.layouts.nearest import find_labels


def detect(root: Path) -> bool:
    return has_folder(root, "RGB") and not has_folder(root, "images")


def list_files(root: Path, parts: tuple[str, ...]) -> Listing:
    labels = find_labels(root, "GT/LABELS", "synthia")
    images, label_files, _ = list_pairs({"": Place(root / "RGB", labels)}, Endings((".png",)))
    return Listing("synthia", root, images, label_files, None, (), LABEL_SPACES["synthia-16"], (CONVENTIONS["synthia_ids"],))


SYNTHIA = Layout(
    "synthia",
    "Expected are RGB/0000000.png … and GT/LABELS/0000000.png ….",
    ("RGB",),
    detect,
    list_files,
    trained=(ALL,),
)
