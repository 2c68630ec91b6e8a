"""Results to report on: one folder for all tests that only read, and copies for those that change it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from results_tree import write_results


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of five methods; read only."""
    return write_results(tmp_path_factory.mktemp("results") / "runs")


@pytest.fixture
def own_runs(runs: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


@pytest.fixture
def two_runs(own_runs: Path) -> Path:
    """A copy with one learned method and one floor, which a page is drawn of in a moment."""
    for method in ("vae", "histeq", "untrained_amcons"):
        shutil.rmtree(own_runs / method)
    shutil.rmtree(own_runs / "amcons" / "seed-1")
    return own_runs
