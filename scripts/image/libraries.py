"""Shared libraries that installed packages ask for and nothing provides."""

from __future__ import annotations

from collections.abc import Callable

LIST = r"""
find {place} -name '*.so*' -type f | while read -r file; do
    ldd "$file" 2>/dev/null | sed -n "s|^[[:space:]]*\(.*\) => not found|needs $file \1|p"
done
find {place} -name '*.so*' | sed 's|.*/|has |'
"""
OPTIONAL = ("numba/np/ufunc/tbbpool", "numba/np/ufunc/omppool")
"""Numba's own pools of threads, of which it needs one that is there; we use plain threads (``association/threads.py``)."""


def find_missing(place: str, run: Callable[[str], str]) -> list[str]:
    """``FILE needs LIBRARY`` for each library that neither the system nor another package below ``place`` has.

    A wheel brings libraries whose users find each other only once they are loaded (scipy's libgfortran and libquadmath), so what
    lies below ``place`` under the name that is asked for counts as provided.

    Args:
        place: Folder of the installed packages, where ``run`` sees it.
        run: Runs a shell command and returns what it prints.
    """
    lines = [line.split(" ") for line in run(LIST.format(place=place)).splitlines()]
    provided = {words[1] for words in lines if words[0] == "has"}
    needs = [(words[1], words[2]) for words in lines if words[0] == "needs"]
    return [
        f"{file} needs {library}"
        for file, library in needs
        if library not in provided and not any(part in file for part in OPTIONAL)
    ]
