"""The container as its files describe it. `python -m scripts.check_image` carries the steps out; here only what costs nothing."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from pca_core.cli import build_parser
from scripts.image.dockerfile import Stage, fill_in, read_dockerfile, split_steps
from scripts.image.libraries import find_missing
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read_dockerfile(ROOT / "Dockerfile")


@pytest.fixture(scope="module")
def services() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


def test_the_last_stage_is_slim_and_runs_as_nobody_special(stages: list[Stage]):
    build, app = stages
    assert "-slim" in app.base
    assert app.base == build.base
    assert app.find("USER")[-1].rest not in ("root", "0")
    assert app.steps.index(app.find("USER")[-1]) > app.steps.index(app.find("RUN")[-1])  # what is installed is not its own
    assert [step.rest for step in app.find("EXPOSE")] == ["8501"]
    assert [step.rest for step in app.find("VOLUME")] == ["/state"]
    assert "CYCLELENS_STATE=/state" in app.find("ENV")[0].arguments
    assert "_stcore/health" in " ".join(app.read_health_check())


def test_the_container_opens_its_address_in_so_many_words(stages: list[Stage]):
    program, *arguments = stages[-1].read_command()
    assert program == "cyclelens"
    assert "--public" in arguments
    options = vars(build_parser().parse_args(arguments))
    assert (options["command"], options["address"], options["port"]) == ("app", "0.0.0.0", 8501)


def test_it_runs_on_cpus_unless_asked(stages: list[Stage], services: dict):
    assert [step.rest for step in stages[0].find("ARG")] == ["DEVICE=cpu", "TORCH_INDEX="]
    assert "profiles" not in services["cpu"]
    assert services["cuda"]["profiles"] == ["cuda"]
    assert services["cuda"]["build"]["args"]["DEVICE"] == "cuda"
    assert services["cuda"]["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"


@pytest.mark.parametrize(("given", "expected"), [((), False), (("TORCH_INDEX=https://index.invalid/cpu",), True)])
def test_make_takes_torch_from_where_it_is_told(given: tuple[str, ...], expected: bool):
    """Without being told pip's own index decides, whose Linux build has CUDA: a GPU is used with nothing to edit."""
    plan = subprocess.run(["make", "-nB", "app", *given], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert ("--index-url https://index.invalid/cpu" in plan) is expected
    assert ("--index-url" in plan) is expected
    assert "+cpu" not in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_compose_asks_for_a_token_and_keeps_the_state(services: dict):
    for service in services.values():
        assert service["environment"]["CYCLELENS_TOKEN"].startswith("${CYCLELENS_TOKEN:?")  # compose stops with the sentence
        assert service["restart"] == "on-failure:3", "a token that is too short would be refused for ever"
        assert service["mem_limit"]
        assert service["pids_limit"] > 0
        assert service["ports"] == ["127.0.0.1:8501:8501"]
        assert service["volumes"] == ["state:/state"]


def test_what_is_copied_is_there_and_not_ignored(stages: list[Stage]):
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    for step in stages[0].find("COPY"):
        *sources, _ = step.arguments
        for source in sources:
            assert (ROOT / source).exists()
            assert any(fnmatch(source, name) for name in kept), f".dockerignore keeps {source} out"


def test_steps_are_read_as_docker_reads_them(tmp_path: Path):
    file = tmp_path / "Dockerfile"
    file.write_text('# a comment\nARG BASE=slim\nFROM x:${BASE} AS one\nRUN a && \\\n    # inside\n    b\nCMD ["c", "d e"]\n')
    (stage,) = read_dockerfile(file, {"BASE": "full"})
    assert (stage.base, stage.name) == ("x:full", "one")
    assert [(step.word, step.rest) for step in stage.steps] == [("RUN", "a && b"), ("CMD", '["c", "d e"]')]
    assert stage.read_command() == ["c", "d e"]
    assert fill_in("$A/${B}:$C", {"A": "1", "B": "2"}) == "1/2:"
    assert split_steps("\n\n") == []
    file.write_text("RUN early\nFROM x\n")
    with pytest.raises(ValueError, match="RUN stands before the first FROM"):
        read_dockerfile(file)


def test_a_library_counts_as_missing_unless_a_package_brings_it():
    def run(_: str) -> str:
        return "needs /p/cv2.so libGL.so.1\nneeds /p/a.so libq.so\nneeds /p/numba/np/ufunc/tbbpool.so libtbb.so\nhas libq.so\n"

    assert find_missing("/p", run) == ["/p/cv2.so needs libGL.so.1"]
