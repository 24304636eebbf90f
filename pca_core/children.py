"""Processes of our own, where the machine may refuse one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from pca_core.checks import InputError, shorten


def start_child(command: Sequence[str], **options: object) -> subprocess.Popen:
    """Start a process.

    Args:
        command: Program and arguments.
        options: Of :class:`subprocess.Popen`.

    Raises:
        InputError: ``CHILD_REFUSED``: too many processes or open files, or too little memory.
    """
    try:
        return subprocess.Popen(command, **options)
    except OSError as error:
        raise InputError(
            "CHILD_REFUSED", f"The machine starts no further process ({shorten(error)}). End what is not needed and try again."
        ) from None
