"""Coverage-guided fuzzing of the one decoder: ``python -m tests.fuzz.decode [-max_total_time=60] [CORPUS]``; needs atheris.

The corpus begins with our own small pictures and with what earlier fuzzing made of them (``corpus/``, reduced by libFuzzer's
``-merge=1`` to one small file for all that reach the same code), and grows by what reaches new code. A file that ends otherwise
than decoded or refused with a code stops it, and is kept as ``crash-…``.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pca_core.data", "zipfile"], enable_loader_override=False):
    from PIL import Image  # noqa: F401

    from pca_core.checks import InputError
    from pca_core.data import LABEL_SPACES, read_image, read_label
    from pca_core.data.archives import Archive, is_zip

from tests.fuzz.crafted import ordinary, pack

SPACE = LABEL_SPACES["cityscapes-19"]
SAVED = Path(__file__).parent / "corpus"
MAX_PIXELS = 1_000_000  # larger ones are slow, not new


def try_one(data: bytes) -> None:
    """One file as image, as label map where it is one, and as archive if it begins as one."""
    try:
        image = read_image(data, max_pixels=MAX_PIXELS)
    except InputError as error:
        if not error.code.startswith("IMAGE_"):
            raise AssertionError(error.code) from error
    else:
        if (image.ndim, image.shape[2], str(image.dtype)) != (3, 3, "uint8"):
            raise AssertionError(f"{image.shape} {image.dtype}")
        _try_label(data)
    if is_zip(data):
        _try_archive(data)


def _try_label(data: bytes) -> None:
    try:
        ids = read_label(data, SPACE, unknown="ignore").ids
    except InputError as error:
        if not error.code.startswith(("IMAGE_", "LABEL_")):
            raise AssertionError(error.code) from error
    else:
        if ((ids >= SPACE.num_classes) & (ids != 255)).any():
            raise AssertionError("an id that is no class")


def _try_archive(data: bytes) -> None:
    try:
        archive = Archive(data, "fuzz.zip")
        for member in archive.members:
            archive.read(member)
    except InputError as error:
        if not error.code.startswith("ZIP_"):
            raise AssertionError(error.code) from error


def write_corpus(folder: Path) -> None:
    """Put our own small pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ordinary()
    for name, data in {**files, "zip": pack({"images/a.jpg": files["jpeg"], "labels/a.png": files["png"]})}.items():
        (folder / name).write_bytes(data)


def main(arguments: list[str]) -> None:
    folders = [argument for argument in arguments if not argument.startswith("-")]
    corpus = Path(folders[0] if folders else "fuzz-corpus")
    write_corpus(corpus)
    warnings.simplefilter("ignore")
    options = [argument for argument in arguments if argument.startswith("-")]
    atheris.Setup(
        [sys.argv[0], "-max_len=65536", "-rss_limit_mb=4096", "-timeout=30", *options, str(corpus), str(SAVED)], try_one
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
