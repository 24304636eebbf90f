"""Ask a vulnerability service about every pinned release, with pip-audit: ``make audit``.

Exit status 0: every pin was looked up and none is known to be vulnerable. 1: some are. 3: some or all could not be looked up,
which pip-audit itself counts as a success (a service that cannot be reached looks to it like a package that is not there).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = (
    "requirements.txt",
    "requirements-models.txt",
    "requirements-login.txt",
    "requirements-dev.txt",
    "requirements-bench.txt",
    "requirements-audit.txt",
)
CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


def read_pins(files: Sequence[Path]) -> dict[str, str]:
    """Name → version of every ``name==version`` line; ``-r`` lines, markers, extras and comments are passed over."""
    pins = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", line)
            if found:
                pins[re.sub(r"[-_.]+", "-", found[1]).lower()] = found[2]
    return pins


def ask(auditor: Sequence[str], files: Sequence[Path]) -> dict | None:
    """What pip-audit found, as it prints it in JSON; None when it ended without an answer."""
    options = ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    named = [part for file in files for part in ("-r", str(file))]
    answer = subprocess.run([*auditor, *options, *named], capture_output=True, text=True, check=False)
    try:
        return json.loads(answer.stdout)
    except ValueError:
        return None


def judge(report: dict | None, pins: dict[str, str]) -> tuple[int, str]:
    """Exit status and what to say.

    Args:
        report: As ``ask`` returns it.
        pins: What should have been looked up.
    """
    found = {entry["name"]: entry for entry in (report or {}).get("dependencies", [])}
    looked_up = {name for name, entry in found.items() if "vulns" in entry}
    vulnerable = {name: found[name]["vulns"] for name in sorted(looked_up) if found[name]["vulns"]}
    unknown = sorted(set(pins) - looked_up)
    if not looked_up:
        return NOT_AUDITED, (
            f"NOT AUDITED: no vulnerability service could be reached from here, so none of {len(pins)} pinned releases was "
            "looked up. Run make audit where PyPI's JSON API can be reached."
        )
    lines = [f"{name} {pins.get(name, '')}: {', '.join(one['id'] for one in vulns)}" for name, vulns in vulnerable.items()]
    if unknown:
        lines.append(f"NOT AUDITED: {len(unknown)} of {len(pins)} pinned releases could not be looked up: {', '.join(unknown)}.")
    if vulnerable:
        return VULNERABLE, "\n".join([f"VULNERABLE: {len(vulnerable)} of {len(pins)} pinned releases.", *lines])
    return (
        (NOT_AUDITED, lines[0]) if unknown else (CLEAN, f"{len(pins)} pinned releases looked up, none is known to be vulnerable.")
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auditor", nargs="+", default=[sys.executable, "-m", "pip_audit"], help="how to call pip-audit")
    arguments = parser.parse_args()
    files = [ROOT / name for name in FILES]
    status, text = judge(ask(arguments.auditor, files), read_pins(files))
    print(text, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
