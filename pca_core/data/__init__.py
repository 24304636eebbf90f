"""Images, label maps and folders of both, from files that nobody vouches for."""

from pca_core.data.classes_file import find_label_space, read_label_space
from pca_core.data.conventions import ID_MAPS, find_classes
from pca_core.data.datasets import FolderDataset
from pca_core.data.images import content_hash, encode_jpeg, encode_png, fit_short_side, read_image, resize_image
from pca_core.data.label_maps import class_frequencies, colorize, resize_label
from pca_core.data.label_spaces import LABEL_SPACES, generate_palette, get_label_space
from pca_core.data.labels import LabelMap, read_label
from pca_core.data.layouts import LAYOUTS, Listing
from pca_core.data.opening import find_listing, open_dataset

__all__ = [
    "ID_MAPS",
    "LABEL_SPACES",
    "LAYOUTS",
    "FolderDataset",
    "LabelMap",
    "Listing",
    "class_frequencies",
    "colorize",
    "content_hash",
    "encode_jpeg",
    "encode_png",
    "find_classes",
    "find_label_space",
    "find_listing",
    "fit_short_side",
    "generate_palette",
    "get_label_space",
    "open_dataset",
    "read_image",
    "read_label",
    "read_label_space",
    "resize_image",
    "resize_label",
]
