"""Exported bundles that several files of tests look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import GRID, write_model

from pipeline.export.bundle import export


@pytest.fixture(scope="session")
def bundle_of(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a method, exported once, without ONNX."""
    root = tmp_path_factory.mktemp("export")

    def exported(method: str) -> Path:
        if not (root / method).is_dir():
            export(write_model(method, tiny_dataset, root), root / method, GRID, onnx=False)
        return root / method

    return exported
