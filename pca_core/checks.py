"""Errors that a user can cause, each one sentence: what, expected, got, what to do."""

from __future__ import annotations


class InputError(ValueError):
    """Something that came from outside cannot be used.

    Attributes:
        code: A stable name for the kind of fault, e.g. ``"IMAGE_TOO_LARGE"``; the sentence may change, the code may not.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
