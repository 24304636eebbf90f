"""What the families share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from pca_core.checks import InputError, shorten
from pca_core.models.library import LibraryNet, Recipe


@dataclass(frozen=True)
class Family:
    """One library.

    Attributes:
        module, package: Its name in Python and for pip.
        example: A name.
        what: What its names stand for.
        build: (net, num_classes, options, min_stride, is_pretrained) → net.
    """

    module: str
    package: str
    example: str
    what: str
    build: Callable[[str, int, dict, int, bool], LibraryNet]


def check_known(what: str, name: str, known: Collection[str]) -> None:
    """Raise InputError ``MODEL_UNKNOWN`` with the nearest names unless ``name`` is known."""
    if name in known:
        return
    near = get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:12]
    raise InputError("MODEL_UNKNOWN", f"There is no {what} {shorten(name, 80)!r}. Did you mean {', '.join(near)}?")


def check_options(architecture: str, options: Mapping[str, object], allowed: Collection[str]) -> None:
    """Raise InputError ``MODEL_OPTION`` for an option outside a fixed list.

    Options come out of checkpoint files, and libraries have some that open paths or addresses: nothing else is passed on.
    """
    wrong = sorted(set(options) - set(allowed))
    if wrong:
        may = f"it takes {', '.join(sorted({*allowed, 'min_stride'}))}"
        raise InputError("MODEL_OPTION", f"Architecture {architecture!r} has no option {', '.join(wrong)}; {may}.")


def make_recipe(architecture: str, options: Mapping[str, object], min_stride: int) -> Recipe:
    return Recipe(architecture, {**options, **({"min_stride": min_stride} if min_stride > 1 else {})})


@contextmanager
def explain_build(architecture: str, *, is_pretrained: bool) -> Iterator[None]:
    """Turn what a library raises while it builds or downloads into one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # libraries raise whatever their network and file layers do
        reason = shorten(" ".join(str(error).split()).rstrip("."), 200) or type(error).__name__
        if is_pretrained:
            raise InputError(
                "MODEL_DOWNLOAD",
                f"The pretrained weights of {architecture} could not be had ({reason}). Go online, "
                "name a local folder, or go without --pretrained.",
            ) from None
        raise InputError("MODEL_OPTION", f"{architecture} cannot be built so: {reason}. Choose other options.") from None
