"""classes.json: which classes the label files of a folder hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pca_core.checks import InputError
from pca_core.data.label_spaces import LABEL_SPACES, MAX_CLASSES, generate_palette
from pca_core.types import IGNORE_INDEX, LabelSpace

CLASSES_FILE = "classes.json"
_MAX_BYTES = 1_000_000


def find_classes_file(folder: str | Path) -> Path | None:
    """Find classes.json in a folder or one level above it.

    Args:
        folder: The folder of a data set.

    Returns:
        The path of the file, or None when it is in neither place.
    """
    places = (Path(folder) / CLASSES_FILE, Path(folder).absolute().parent / CLASSES_FILE)
    return next((place for place in places if place.is_file()), None)


def find_label_space(folder: str | Path) -> LabelSpace:
    """Read the classes.json in a folder or one level above it.

    Args:
        folder: The folder of a data set.

    Returns:
        The label space.

    Raises:
        InputError: ``CLASSES_NOT_FOUND`` when it is in neither place, and what :func:`read_label_space` raises.
    """
    path = find_classes_file(folder)
    if path is None:
        raise InputError(
            "CLASSES_NOT_FOUND",
            f"There is no {CLASSES_FILE} in {folder} and none in {Path(folder).absolute().parent}. "
            "Put one there, or say what the ids in the label files are (--label-ids on the command line).",
        )
    return read_label_space(path)


def read_label_space(path: str | Path) -> LabelSpace:
    """Read a label space from a JSON file.

    The keys are ``name``, ``class_names`` (the position is the class index), and optionally ``ignore_index``
    (255 unless given) and ``palette``. Without a palette, the classes of a built-in label space of that name get its
    colours, others generated ones.

    Args:
        path: The file, usually ``classes.json``.

    Returns:
        The label space.

    Raises:
        InputError: ``CLASSES_NOT_FOUND``, ``CLASSES_JSON``, ``CLASSES_KEYS``, ``CLASSES_NAME``, ``CLASSES_NAMES``,
            ``CLASSES_DUPLICATE``, ``CLASSES_IGNORE_INDEX``, ``CLASSES_PALETTE``.
    """
    path = Path(path)
    entries = read_json_object(path)
    allowed, required = ("name", "class_names", "ignore_index", "palette"), ("name", "class_names")
    unknown = [key for key in entries if key not in allowed]
    missing = [key for key in required if key not in entries]
    if unknown or missing:
        wrong = f"the unknown key {unknown[0]!r}" if unknown else f"no key {missing[0]!r}"
        raise InputError("CLASSES_KEYS", f"{path.name} has {wrong}; the keys are {', '.join(allowed)}. Correct the file.")
    name, class_names = entries["name"], _check_names(entries["class_names"], path.name)
    if not isinstance(name, str) or not name.strip():
        raise InputError("CLASSES_NAME", f"name in {path.name} must be a text that is not empty, got {name!r}.")
    ignore_index = _check_ignore_index(entries.get("ignore_index", IGNORE_INDEX), len(class_names), path.name)
    if entries.get("palette") is not None:
        palette = _check_palette(entries["palette"], len(class_names), path.name)
    elif name in LABEL_SPACES and LABEL_SPACES[name].class_names == class_names:
        palette = LABEL_SPACES[name].palette
    else:
        palette = generate_palette(len(class_names))
    return LabelSpace(name, class_names, palette, ignore_index)


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that describes classes.

    Raises:
        InputError: ``CLASSES_NOT_FOUND``, ``CLASSES_JSON``.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("CLASSES_JSON", f"{path.name} has more than {_MAX_BYTES:,} bytes. List only the classes.")
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("CLASSES_NOT_FOUND", f"{path} is not a file that can be read. Check the path.") from error
    try:
        entries = json.loads(text.decode("utf-8-sig"), object_pairs_hook=_refuse_repeated_keys)
    except (ValueError, RecursionError) as error:  # broken JSON, wrong encoding and repeated keys are ValueErrors
        raise InputError("CLASSES_JSON", f"{path.name} is not valid JSON in UTF-8 ({error}). Correct the file.") from error
    if not isinstance(entries, dict):
        raise InputError(
            "CLASSES_JSON",
            f'{path.name} must hold an object such as {{"name": "my-classes", "class_names": ["road", "sky"]}}, '
            f"got a {type(entries).__name__}.",
        )
    return entries


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key stands there twice")
    return entries


def _check_names(names: Any, file: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_CLASSES:
        got = f"{len(names)} entries" if isinstance(names, list) else f"a {type(names).__name__}"
        raise InputError("CLASSES_NAMES", f"class_names in {file} must be a list of 1 to {MAX_CLASSES} names, got {got}.")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(
                "CLASSES_NAMES", f"Every entry of class_names in {file} must be a text that is not empty, got {name!r}."
            )
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                "CLASSES_DUPLICATE",
                f"class_names in {file} has {name!r} {names.count(name)} times. Each class needs a name of its own.",
            )
    return tuple(names)


def _check_ignore_index(ignore_index: Any, num_classes: int, file: str) -> int:
    if type(ignore_index) is not int or not -1 <= ignore_index <= 65535:  # bool is an int to isinstance
        raise InputError(
            "CLASSES_IGNORE_INDEX",
            f"ignore_index in {file} must be a whole number from -1 to 65535, got {ignore_index!r}. "
            f"Leave it out to get {IGNORE_INDEX}.",
        )
    if 0 <= ignore_index < num_classes:
        raise InputError(
            "CLASSES_IGNORE_INDEX",
            f"ignore_index {ignore_index} in {file} is also the index of a class (0 to {num_classes - 1}). "
            "Choose an id beyond the classes.",
        )
    return ignore_index


def _check_palette(palette: Any, num_classes: int, file: str) -> tuple[tuple[int, int, int], ...]:
    if not isinstance(palette, list) or len(palette) != num_classes:
        got = f"{len(palette)} entries" if isinstance(palette, list) else f"a {type(palette).__name__}"
        raise InputError(
            "CLASSES_PALETTE",
            f"palette in {file} must be a list of one colour per class ({num_classes}), got {got}. Complete it, or leave it out.",
        )
    for colour in palette:
        is_triple = isinstance(colour, list) and len(colour) == 3
        if not is_triple or any(type(channel) is not int or not 0 <= channel <= 255 for channel in colour):
            raise InputError(
                "CLASSES_PALETTE",
                f"Every colour of palette in {file} must be three whole numbers from 0 to 255, got {colour!r}.",
            )
        if palette.count(colour) > 1:
            raise InputError(
                "CLASSES_PALETTE", f"palette in {file} has the colour {colour} more than once. Give each class its own."
            )
    return tuple((red, green, blue) for red, green, blue in palette)
