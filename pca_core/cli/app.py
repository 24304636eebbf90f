"""``cyclelens app``: open the app in the browser."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pca_core.data.streets import PREFIX

ROOT = Path(__file__).resolve().parents[2]


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("app", help="open the app in the browser", description=__doc__)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--headless", action="store_true", help="do not open a browser window")
    parser.add_argument("--source", metavar="DIR", help="source images and labels: a data set as `cyclelens train` takes it")
    parser.add_argument("--target", metavar="DIR", help="target images: a data set, e.g. DIR:val or streets:dusk-rain")
    parser.add_argument("--checkpoint", metavar="FILE", help="a .safetensors checkpoint")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen; beyond this machine only with --public")
    parser.add_argument("--public", action="store_true", help="let other machines in; asks for a token or a login")
    parser.add_argument("--token-file", metavar="FILE", help="what visitors must show, in a file; or set CYCLELENS_TOKEN")
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[], help="a further name of this server")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Whether it may listen there is checked by ``app/server.py``, however it is started."""
    main = ROOT / "app" / "server.py"
    if not 1 <= arguments.port <= 65535:
        raise ValueError(f"--port must be a number from 1 to 65535, got {arguments.port}.")
    command = [sys.executable, "-m", "streamlit", "run", str(main), f"--server.port={arguments.port}"]
    command += [f"--server.address={arguments.address}", "--logger.hideWelcomeMessage=true"]  # the server tells once it is up
    if arguments.headless:
        command.append("--server.headless=true")
    paths = ("source", "target", "checkpoint", "token_file")
    given = [(flag.replace("_", "-"), getattr(arguments, flag)) for flag in paths if getattr(arguments, flag)]
    command += ["--", *(part for flag, value in given for part in (f"--{flag}", _absolute(value)))]
    command += [f"--allow-host={name}" for name in arguments.allow_host]
    command += ["--public"] if arguments.public else []
    os.chdir(ROOT)  # away from the settings of whatever Streamlit project lies where it was called
    os.execv(command[0], command)  # the server takes this process over: a signal to it reaches the server


def _absolute(value: str) -> str:
    """The server works in another folder; built-in data sets have names, not paths."""
    return value if value.startswith(PREFIX) else str(Path(value).expanduser().resolve())
