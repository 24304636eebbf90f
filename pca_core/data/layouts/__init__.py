"""How data sets lie on disk: one file a layout. A layout lists files; :class:`pca_core.data.FolderDataset` reads them."""

from pca_core.data.layouts.acdc import ACDC
from pca_core.data.layouts.base import ALL, Layout, Listing, show
from pca_core.data.layouts.bdd100k import BDD100K
from pca_core.data.layouts.camvid import CAMVID, CAMVID_11
from pca_core.data.layouts.cityscapes import CITYSCAPES
from pca_core.data.layouts.folder import FOLDER, list_folder
from pca_core.data.layouts.gtav import GTAV
from pca_core.data.layouts.lists import keep_listed, read_list
from pca_core.data.layouts.mapillary import MAPILLARY
from pca_core.data.layouts.nearest import explain_miss, near_name
from pca_core.data.layouts.synthia import SYNTHIA

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (CITYSCAPES, ACDC, BDD100K, MAPILLARY, SYNTHIA, CAMVID, CAMVID_11, GTAV, FOLDER)
}
"""Name -> layout, in the order in which they are tried: the plain folder takes what no other does."""

__all__ = [
    "ALL",
    "LAYOUTS",
    "Layout",
    "Listing",
    "explain_miss",
    "keep_listed",
    "list_folder",
    "near_name",
    "read_list",
    "show",
]
