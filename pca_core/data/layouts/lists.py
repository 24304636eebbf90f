"""List files: which images belong to a part, one line each."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pca_core.checks import InputError
from pca_core.data.files import PICTURE_SUFFIXES
from pca_core.data.layouts.base import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_BYTES = 20_000_000


def read_list(path: Path) -> list[str]:
    """First word of each line: the image; what follows it (its label, as in SegNet's lists) is not needed.

    Raises:
        InputError: ``LAYOUT_LIST`` when it cannot be read or names nothing.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("too long")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError("LAYOUT_LIST", f"{path} cannot be read as a list of images. It needs one path a line.") from error
    words = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    if not words:
        raise InputError("LAYOUT_LIST", f"{path} names no image. It needs one path a line.")
    return words


def keep_listed(images: Mapping[str, Path], wanted: Iterable[str], source: Path) -> dict[str, Path]:
    """The images that a list names, in its order.

    Lists were written for other machines and other roots, so entries are compared by file name, with the folders before it
    only where two images share one.

    Raises:
        InputError: ``LAYOUT_LIST`` naming the first entry without an image, and what there is.
    """
    by_name: dict[str, list[str]] = {}
    for name, path in images.items():
        for key in {path.name, path.stem, PurePosixPath(name).name}:
            by_name.setdefault(key, []).append(name)
    kept: dict[str, Path] = {}
    for entry in wanted:
        candidates = by_name.get(PurePosixPath(entry).name, [])
        name = _pick(entry, candidates)
        if name is None:
            raise InputError(
                "LAYOUT_LIST",
                f"{source} names {entry}, but there {'is no such image' if not candidates else 'are several such images'}; "
                f"there are {show(images)}. Use the list of this data set.",
            )
        kept[name] = images[name]
    return kept


def _pick(entry: str, candidates: list[str]) -> str | None:
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    path = entry
    for suffix in PICTURE_SUFFIXES:
        path = path.removesuffix(suffix)
    fitting = [name for name in candidates if path.endswith(name) or name.endswith(path)]
    return fitting[0] if len(fitting) == 1 else None
