"""What strangers named reaches a terminal as text, not as commands to it."""

from __future__ import annotations

import numpy as np
from safetensors.torch import load_file

from pca_core.cli import main
from pca_core.data import encode_png
from pca_core.models.checkpoints import read_description
from tests.unit.test_checkpoints import rewrite, saved  # noqa: F401 (a fixture)

ESCAPE = "\x1b[31mevil\x1b]0;pwn\x07"


def assert_quiet(text: str) -> None:
    assert "evil" in text
    assert [character for character in text if not character.isprintable() and character != "\n"] == []


def test_a_checkpoints_own_words(saved, capsys):  # noqa: F811
    told = read_description(saved)["label_space"]
    names = [f"{ESCAPE}\n", *told["class_names"][1:]]
    rewrite(saved, load_file(saved), {"label_space": {**told, "name": ESCAPE, "class_names": names}})
    assert main(["inspect-checkpoint", str(saved)]) in (0, 1, 2)
    out = capsys.readouterr()
    assert_quiet(out.out + out.err)


def test_names_of_files(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/whole.png").write_bytes(encode_png(np.zeros((32, 32, 3), np.uint8)))
    (tmp_path / f"images/{ESCAPE}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    main(["inspect-data", str(tmp_path)])
    out = capsys.readouterr()
    assert_quiet(out.out + out.err)
