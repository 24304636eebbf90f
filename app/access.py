"""Who may reach the server: this machine alone, unless it is opened in so many words and asks visitors for something.

Loads nothing of pca_core, which takes seconds: the server begins with this.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tomllib
from collections.abc import Iterable
from pathlib import Path

import psutil

TOKEN_VARIABLE = "CYCLELENS_TOKEN"
MIN_CHARACTERS = 16  # of a token; whoever guesses has all the time in the world
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class AccessError(ValueError):
    """A server must not be opened like that; ``code`` names the reason, as that of an ``InputError`` does."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_loopback(address: str | None) -> bool:
    """Whether only this machine reaches what listens there. No address means every address."""
    try:
        return address == "localhost" or ipaddress.ip_address((address or "").strip("[]")).is_loopback
    except ValueError:
        return False


def read_token(file: str | Path | None) -> str | None:
    """The token that visitors must show: the content of ``file``, or of ``$CYCLELENS_TOKEN``; None when there is neither.

    Raises:
        AccessError: ``TOKEN_UNREADABLE`` or ``TOKEN_SHORT``.
    """
    if file is None:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
    else:
        try:
            token = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AccessError(
                "TOKEN_UNREADABLE", f"The token file {file} cannot be read ({reason}). Name a text file that holds a token."
            ) from None
    if not token and file is None:
        return None
    if len(token) < MIN_CHARACTERS:
        raise AccessError(
            "TOKEN_SHORT",
            f"A token needs at least {MIN_CHARACTERS} characters, got {len(token)}. Make one with: openssl rand -hex 32",
        )
    return token


def has_login(folders: Iterable[Path]) -> bool:
    """Whether a ``secrets.toml`` in one of the folders configures ``st.login``: it has a section ``[auth]``."""
    for folder in folders:
        try:
            secrets = tomllib.loads((folder / "secrets.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(secrets.get("auth"), dict) and secrets["auth"]:
            return True
    return False


def login_folders(root: Path) -> tuple[Path, ...]:
    """Where Streamlit looks for ``secrets.toml`` when it serves the app of a checkout (or site folder)."""
    return (Path.home() / ".streamlit", root / ".streamlit", root / "app" / ".streamlit")


def check_address(address: str | None, *, is_public: bool, is_guarded: bool) -> None:
    """Refuse to open the server to others by mistake, or to everybody.

    Args:
        address: Where the server listens; None or "" is every address.
        is_public: Whether ``--public`` was given.
        is_guarded: Whether there is a token to show or a login.

    Raises:
        AccessError: ``ADDRESS_PUBLIC`` or ``ADDRESS_UNGUARDED``.
    """
    if is_loopback(address):
        return
    place = f"{address!r}" if address else "every address of this machine"
    if not is_public:
        raise AccessError(
            "ADDRESS_PUBLIC",
            f"The server would listen on {place}, where other machines reach it. Add --public and a token if that is meant, "
            "or use 127.0.0.1; docs/deploy.md shows both.",
        )
    if not is_guarded:
        raise AccessError(
            "ADDRESS_UNGUARDED",
            f"Nothing would keep strangers from the server on {place}. Set {TOKEN_VARIABLE}, give --token-file FILE, or "
            "configure [auth] in secrets.toml; docs/deploy.md shows how.",
        )


def list_own_names(address: str | None) -> list[str]:
    """What browsers may call a server: the loopback names, its address or, when it has all of them, every one of this machine."""
    names = [*LOOPBACK_NAMES]
    if is_loopback(address):
        return names
    names.append(socket.gethostname())
    if address in ("0.0.0.0", "::", "", None):
        found = (one for interface in psutil.net_if_addrs().values() for one in interface)
        names += [one.address.partition("%")[0] for one in found if one.family in (socket.AF_INET, socket.AF_INET6)]
    else:
        names.append(address.strip("[]"))
    return list(dict.fromkeys(names))
