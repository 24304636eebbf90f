"""Whether the server may listen where it was told to, and who is let in."""

from __future__ import annotations

import argparse
import sys
import threading
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit import config, net_util

from app.access import AccessError, check_address, has_login, is_loopback, list_own_names, login_folders, read_token

ROOT = Path(__file__).resolve().parents[1]
has_gate = threading.Event()  # plain `streamlit run app/main.py` has none, and asks nobody for a token

net_util.get_external_ip = lambda: None  # Streamlit would ask a server outside whenever a page of another origin knocks


def read_flags() -> argparse.Namespace:
    """What concerns access of what follows ``--`` on Streamlit's command line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--token-file")
    parser.add_argument("--allow-host", action="append", default=[])
    return parser.parse_known_args(sys.argv[1:])[0]


@cache
def uses_login() -> bool:
    return has_login(login_folders(ROOT))


def open_server() -> str | None:
    """For a server with a gate: check where it listens, tell Streamlit its names; returns the token to ask for.

    Raises:
        AccessError: ``ADDRESS_...``, ``TOKEN_...``.
    """
    flags, address = read_flags(), config.get_option("server.address")
    token = read_token(flags.token_file)
    check_address(address, is_public=flags.public, is_guarded=token is not None or uses_login())
    names = [*config.get_option("server.allowedHosts"), *list_own_names(address), *flags.allow_host]
    config.set_option("server.allowedHosts", list(dict.fromkeys(names)))
    has_gate.set()
    return token


def describe_place() -> str:
    """Where this server is found, for its terminal."""
    address, port = config.get_option("server.address"), config.get_option("server.port")
    if is_loopback(address):
        return f"http://{address}:{port}"
    return f"http://localhost:{port}, and port {port} of {', '.join(config.get_option('server.allowedHosts')[3:])}"


def check_script() -> None:
    """End the script here for a server that listens where it must not, and for visitors who have not signed in."""
    if not has_gate.is_set():
        try:
            # A login stands before the page alone: without a gate, strangers could fill the memory with files.
            check_address(config.get_option("server.address"), is_public=read_flags().public, is_guarded=False)
        except AccessError as error:
            st.error(f"{error} Only app/server.py and cyclelens app have a gate that asks for it.")
            st.stop()
    if uses_login() and not st.user.is_logged_in:
        st.write("This server asks who you are.")
        st.button("Sign in", on_click=st.login, type="primary")
        st.stop()
