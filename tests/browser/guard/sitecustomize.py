"""In a child whose PYTHONPATH leads here nothing reaches another machine; what tried to is written to ``$GUARD_LOG``."""

import ipaddress
import os
import sys

ASKS = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


def _is_here(place: object) -> bool:
    host = place[0] if isinstance(place, tuple) else place
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("utf-8", "replace")
    if host is None or (isinstance(host, str) and host.startswith(("/", "\0"))):
        return True  # any address to listen on, or a socket of the file system
    try:
        return host in ("", "localhost") or ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple) -> None:
    if event in ASKS and not _is_here(arguments[ASKS[event]]):
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(f"{event} {arguments[ASKS[event]]}\n")
        raise ConnectionRefusedError(f"{event} to {arguments[ASKS[event]]} is not allowed here")


if "GUARD_LOG" in os.environ:
    sys.addaudithook(_watch)
