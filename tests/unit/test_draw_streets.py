"""The procedural streets: determinism, labels, and that image and label show the same edges."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_SEED = 7
SKY, ROAD, VOID = 0, 3, 11
PER_DOMAIN = 2

Pair = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module, although ``scripts`` is no package."""
    spec = importlib.util.spec_from_file_location("draw_streets", ROOT / "scripts" / "draw_streets.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


def shipped(domain: str) -> list[Pair]:
    """The pairs in ``assets/streets``, decoded."""
    folder = ROOT / "assets" / "streets" / domain
    names = sorted(p.stem for p in (folder / "images").glob("*.jpg"))
    return [
        (np.array(Image.open(folder / "images" / f"{n}.jpg")), np.array(Image.open(folder / "labels" / f"{n}.png")))
        for n in names
    ]


@pytest.fixture(scope="module")
def drawn(script: ModuleType) -> dict[str, list[Pair]]:
    """A few fresh pairs of each domain from a seed that is not shipped."""
    return {d: [script.render(d, 3, i) for i in range(PER_DOMAIN)] for d in ("noon", "dusk")}


@pytest.mark.parametrize("domain", ["noon", "dusk"])
def test_sizes_and_ids(drawn: dict[str, list[Pair]], domain: str) -> None:
    for image, label in [*drawn[domain], *shipped(domain)]:
        assert image.shape == (256, 512, 3)
        assert image.dtype == np.uint8
        assert label.shape == (256, 512)
        assert label.dtype == np.uint8
        assert label.max() <= VOID


def test_noon_has_no_void(drawn: dict[str, list[Pair]]) -> None:
    assert all((label != VOID).all() for _, label in [*drawn["noon"], *shipped("noon")])


def test_void_is_only_the_bonnet(drawn: dict[str, list[Pair]]) -> None:
    for _, label in [*drawn["dusk"], *shipped("dusk")]:
        rows = np.nonzero(label == VOID)[0]
        assert rows.size == 0 or rows.min() > 225


def test_same_arguments_same_bytes(script: ModuleType, drawn: dict[str, list[Pair]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "labels").mkdir()
    script.write_pair(tmp_path / "a", "x", *drawn["dusk"][0])
    script.write_pair(tmp_path / "b", "x", *script.render("dusk", 3, 0))
    for file in ("images/x.jpg", "labels/x.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (np.array(Image.open(tmp_path / "a" / "labels" / "x.png")) == drawn["dusk"][0][1]).all()


def test_an_image_depends_on_its_index_alone(script: ModuleType, drawn: dict[str, list[Pair]]) -> None:
    image, label = script.render("noon", 3, 1)  # without index 0 before it
    assert (image == drawn["noon"][1][0]).all()
    assert (label == drawn["noon"][1][1]).all()
    assert (image != drawn["noon"][0][0]).any()


@pytest.mark.parametrize("domain", ["noon", "dusk"])
def test_every_class_appears(drawn: dict[str, list[Pair]], domain: str) -> None:
    labels = np.stack([label for _, label in [*drawn[domain], *shipped(domain)]])
    counts = np.bincount(labels.ravel(), minlength=12)[:11]
    assert (counts > 0.001 * labels.size).all(), counts / labels.size


@pytest.mark.parametrize("domain", ["noon", "dusk"])
def test_sky_is_above_road(drawn: dict[str, list[Pair]], domain: str) -> None:
    for _, label in drawn[domain]:
        assert np.nonzero(label == SKY)[0].mean() + 60 < np.nonzero(label == ROAD)[0].mean()
        assert np.nonzero(label == ROAD)[0].min() > 90


@pytest.mark.parametrize("domain", ["noon", "dusk"])
def test_label_edges_lie_on_image_edges(drawn: dict[str, list[Pair]], domain: str) -> None:
    """The image changes most where the label does; moving the label by a few pixels loses that."""

    def strength(image: np.ndarray, label: np.ndarray) -> float:
        grey = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.8).mean(axis=2)
        step = np.abs(grey[:, 1:] - grey[:, :-1])
        return float(step[label[:, 1:] != label[:, :-1]].mean())

    def over(move: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(np.mean([strength(image, move(label)) for image, label in drawn[domain]]))

    here = over(lambda label: label)
    for shift in (-4, 4):
        assert here > 1.3 * over(lambda label, s=shift: np.roll(label, s, axis=1))
    for shift in (-1, 1):
        assert here > over(lambda label, s=shift: np.roll(label, s, axis=1))


@pytest.mark.parametrize("domain", ["noon", "dusk"])
def test_shipped_files_are_what_the_script_draws(script: ModuleType, domain: str) -> None:
    pairs = shipped(domain)
    assert len(pairs) == 6
    image, label = script.render(domain, SHIPPED_SEED, 0)
    assert (label == pairs[0][1]).all()
    assert np.abs(image.astype(int) - pairs[0][0]).mean() < 6  # JPEG


def test_shipped_class_file(script: ModuleType) -> None:
    text = (ROOT / "assets" / "streets" / "classes.json").read_text(encoding="utf-8")
    assert text == script.classes_json()
    spec = json.loads(text)
    assert len(spec["class_names"]) == len(spec["palette"]) == spec["ignore_index"] == 11


def test_command_line_writes_the_plain_folder_layout(
    script: ModuleType, drawn: dict[str, list[Pair]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "render", lambda domain, seed, index: drawn[domain][index])
    sheet = tmp_path / "sheet.png"
    arguments = ["--domain", "noon", "--count", "2", "--seed", "5", "--out", str(tmp_path / "noon")]
    assert script.main([*arguments, "--contact-sheet", str(sheet)]) == 0
    files = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "noon").rglob("*.*"))
    names = ("images/noon_0001.jpg", "images/noon_0002.jpg", "labels/noon_0001.png", "labels/noon_0002.png")
    assert files == [f"noon/{name}" for name in names]
    assert Image.open(tmp_path / "noon" / "labels" / "noon_0001.png").mode == "P"
    assert (tmp_path / "classes.json").exists()
    assert Image.open(sheet).size == (1024, 512)


def test_command_line_wants_somewhere_to_write(script: ModuleType) -> None:
    with pytest.raises(SystemExit):
        script.main(["--domain", "noon"])
    with pytest.raises(SystemExit):
        script.main(["--domain", "both", "--out", "somewhere"])
