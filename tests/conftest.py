"""Small worlds that several tests share."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from app.state.defaults import BUILT_IN, BUILT_IN_CHECKPOINT
from pca_core import inference
from pca_core.association import PairAnalysis
from pca_core.data import FolderDataset
from pca_core.inference import segment
from pca_core.models import load_checkpoint
from pca_core.types import IGNORE_INDEX, FeaturePair

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """So many threads of torch inside, those of before afterwards."""
    known = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(known)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes; Python ignores the signal, so that the write fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs of tests, and of servers that they start, stay away from those of the person who runs them."""
    os.environ["CYCLELENS_STATE"] = str(tmp_path_factory.mktemp("state"))
    os.environ["CYCLELENS_FILL"] = "0"  # a dozen servers would each fill pages that nobody opens


@pytest.fixture(scope="session", autouse=True)
def _hears_interrupts() -> None:
    """A shell that starts the tests in the background has them ignore Ctrl-C, which some of them press."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def stop_without(reason: str) -> NoReturn:
    """Skip for want of something that a machine need not have; with ``CI=true`` that is a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[int, str], None]:
    """Says what was measured for one of the ten promises of ``docs/reliability.md``; printed after the tests."""
    return lambda promise, figure: request.node.user_properties.append(("promise", (promise, figure)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [pair for report in reports if getattr(report, "when", "") == "call" for pair in report.user_properties]
    if figures := {tuple(figure) for name, figure in told if name == "promise"}:
        terminalreporter.section("figures of the promises")
        for promise, figure in sorted(figures):
            terminalreporter.line(f"promise {promise:>2}: {figure}")


@pytest.fixture(scope="session")
def analysis() -> PairAnalysis:
    """The built-in pair under the paper's config, straight from the core."""
    checkpoint = load_checkpoint(BUILT_IN_CHECKPOINT)
    source, target = (FolderDataset(BUILT_IN[side])[0] for side in ("source", "target"))
    found = (segment(checkpoint, source.image), source.label, segment(checkpoint, target.image), target.label)
    return PairAnalysis(inference.make_pair(*found))


@pytest.fixture
def pair() -> FeaturePair:
    """Two blobby feature maps of different sizes with 4 classes, a few unlabelled pixels and predictions."""
    return make_pair(seed=3)


def make_pair(seed: int, channels: int = 8, classes: int = 4, source=(6, 9), target=(5, 8)) -> FeaturePair:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, channels, generator=generator)

    def side(size):
        labels = torch.randint(0, classes, size, generator=generator)
        noise = torch.randn(channels, *size, generator=generator)
        features = centres[labels].permute(2, 0, 1) + 0.8 * noise
        logits = torch.einsum("kc,chw->khw", centres, features)
        return features, labels, logits.softmax(0)

    source_features, source_labels, source_probabilities = side(source)
    target_features, target_labels, target_probabilities = side(target)
    source_labels[0, :3] = IGNORE_INDEX
    target_labels[-1, -2:] = IGNORE_INDEX
    return FeaturePair(source_features, target_features, source_labels, source_probabilities, target_probabilities, target_labels)
