"""Many images at once, with their label maps, one by one or in a zip file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from app.state import uploads
from app.text import escape
from pca_core.checks import InputError
from pca_core.types import Domain

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

READINGS = {
    "": "Class indices of the net",
    "train_ids": "Cityscapes train ids, 0–18",
    "label_ids": "Cityscapes label ids, 0–33",
    "gtav_ids": "GTAV ids, 0–34",
    "synthia_ids": "SYNTHIA ids, 0–22",
    "camvid_ids": "CamVid ids, 0–11",
}
READINGS_HELP = "Ids of a known data set become classes of the net by name; a class that the net lacks counts as unlabelled."
SHOWN = 5  # sentences about files that could not be taken


def upload_form(side: Domain) -> None:
    """Fields for images and label maps, and what became of them."""
    uploads.prepare()
    number = uploads.get_round(side)  # in the keys: another one empties the fields
    with st.form(f"{side}_upload_form", border=False):
        left, right = st.columns(2)
        images = left.file_uploader(
            "Images, as many as you like",
            ["png", "jpg", "jpeg", "tif", "tiff", "webp", "zip"],
            accept_multiple_files=True,
            key=f"{side}_upload_image {number}",
            help="A zip may hold images and label maps at once: images/ and labels/ with the same names inside.",
        )
        labels = right.file_uploader(
            "Label maps" if side == "source" else "Label maps, optional",
            ["png", "tif", "tiff", "zip"],
            accept_multiple_files=True,
            key=f"{side}_upload_label {number}",
            help="PNG or TIFF, each named as its image: street.jpg and street.png.",
        )
        convention = right.selectbox(
            "Their ids are",
            list(READINGS),
            format_func=READINGS.get,
            key=f"{side}_upload_ids",
            help=READINGS_HELP,
        )
        by_hand = right.text_input(
            "Further ids",
            placeholder="200 = sky, #ff00ff = road",
            key=f"{side}_upload_by_hand",
            help="What single ids or colours stand for, by the net's class names; without a name, as in 34 =, they count as "
            "unlabelled.",
        )
        is_lenient = st.checkbox("Treat unknown label ids as unlabelled", key=f"{side}_upload_lenient")
        is_fitted = st.checkbox(
            "Fit label maps of another size to their image",
            key=f"{side}_upload_fit",
            help="By the nearest pixel: no new class can appear. Only for label maps that show the whole image.",
        )
        reading = uploads.Reading("ignore" if is_lenient else "error", convention, "nearest" if is_fitted else "error", by_hand)
        told = st.container()  # above the button: below it, what went wrong would lie under the edge of a low window
        if st.form_submit_button("Add", key=f"{side}_add", width="stretch"):
            with told:
                _add(side, images, labels, reading)
    st.caption("Uploads live with this session: a reload of the page forgets them.")


def _add(side: Domain, images: list[UploadedFile], labels: list[UploadedFile], reading: uploads.Reading) -> None:
    if not images:
        st.warning("Choose an image file first.")
        return
    with st.spinner("Reading the images …", show_time=False):
        try:
            num_kept, num_images, refused = uploads.add_uploads(side, _read(images), _read(labels), reading)
        except InputError as error:
            st.error(escape(str(error)))
            return
    if not refused:
        uploads.empty_fields(side)
        st.rerun()
    if num_kept:
        st.success(f"{num_kept} of {num_images} images were added. The rest stays here for another try:")
    more = f" And {len(refused) - SHOWN} more like these." if len(refused) > SHOWN else ""
    st.error("\n\n".join(map(escape, refused[:SHOWN])) + more)


def _read(files: list[UploadedFile]) -> list[uploads.File]:
    return [(Path(file.name).name, file.getvalue()) for file in files]
