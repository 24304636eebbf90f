"""The built-in streets by name: ``streets:noon`` instead of a path."""

from __future__ import annotations

from pathlib import Path

from pca_core.checks import InputError

PREFIX = "streets:"
PACKAGE = Path(__file__).resolve().parents[1]
ASSETS = next((folder for folder in (PACKAGE / "assets", PACKAGE.parent / "assets") if folder.is_dir()), PACKAGE / "assets")
"""In a wheel inside the package, in a checkout beside it."""
STREETS = ASSETS / "streets"
BUILT_IN_NET = STREETS.parent / "compact_noon.safetensors"
"""The net that was trained on noon."""
DOMAINS = ("noon", "dusk-rain")
HELD_OUT = "-heldout"


def find_streets(where: str, *, for_scoring: bool = False) -> Path | None:
    """The folder of a built-in domain.

    Labels of held-out frames are used only to score, and scores are taken only on them: so a bare domain name means the
    held-out part to whoever scores, and the training part to everybody else.

    Args:
        where: ``"streets:noon"``, ``"streets:noon-heldout"``, ``"streets:dusk-rain"`` …, or anything else.
        for_scoring: Whether the labels are going to score a net.

    Returns:
        The folder, or None when ``where`` does not begin with ``streets:``.

    Raises:
        InputError: ``STREETS_UNKNOWN`` with the names that there are, ``STREETS_MISSING`` when its files are not installed.
    """
    if not where.startswith(PREFIX):
        return None
    name = where.removeprefix(PREFIX)
    known = [domain + part for domain in DOMAINS for part in ("", HELD_OUT)]
    if name not in known:
        raise InputError("STREETS_UNKNOWN", f"There are no built-in streets {name!r}. There are {', '.join(known)}.")
    folder = STREETS / (name + HELD_OUT if for_scoring and name in DOMAINS else name)
    if not folder.is_dir():
        raise InputError(
            "STREETS_MISSING",
            f"The built-in streets {folder.name} should lie in assets/streets/ of the project, but do not. "
            "Run from a checkout, or give a folder.",
        )
    return folder


def is_held_out(where: str) -> bool:
    """Whether a name asks for frames whose labels are only there to score."""
    return where.startswith(PREFIX) and where.endswith(HELD_OUT)
