"""Errors that a user can cause, each one sentence: what, expected, got, what to do."""

from __future__ import annotations

from collections.abc import Callable


class InputError(ValueError):
    """Something that came from outside cannot be used. Names in the sentence may be anybody's: it stays one printable line.

    Attributes:
        code: A stable name for the kind of fault, e.g. ``"IMAGE_TOO_LARGE"``; the sentence may change, the code may not.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(one_line(message))
        self.code = code


def exists(ask: Callable[[], bool]) -> bool:
    """``path.is_file`` or ``path.is_dir``, and False for what is no possible path at all (too long, forbidden, a NUL in it)."""
    try:
        return ask()
    except (OSError, ValueError):
        return False


def shorten(text: object, length: int = 200) -> str:
    """The text, its middle left out when it is too long to read."""
    text = str(text)
    return text if len(text) <= length else f"{text[: length // 2]} … {text[-length // 2 :]}"


def tidy(name: object, length: int = 60) -> str:
    """A name that somebody else chose, as one line to show: no folders, no control characters, never empty."""
    text = str(name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    return shorten(" ".join(one_line(text).split()), length) or "unnamed"


def one_line(text: str) -> str:
    """Text without what moves a terminal's cursor, colours it or ends the line."""
    return text if text.isprintable() else "".join(character if character.isprintable() else " " for character in text)
