"""The notebooks run from top to bottom, on results as the pipeline writes them, without a warning."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from packed_model import MOVE, Packed
from results_tree import write_results
from synthetic_brain import HeadWriter
from test_predict import predict

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
Notebook = nbformat.NotebookNode


def _code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _outputs(notebook: Notebook, media: str) -> list[str]:
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    return [output["data"][media] for output in outputs if media in output.get("data", {})]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs_and_defines_no_function(path: Path) -> None:
    cells = _code(nbformat.read(path, as_version=4))
    assert all(cell.execution_count is None and not cell.outputs for cell in cells)
    source = "\n".join(line for cell in cells for line in cell.source.splitlines() if not line.startswith("%"))
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, made)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Notebook]:
    """Runs a notebook by the start of its name, with other parameters; a warning or a printed line fails."""
    from nbclient import NotebookClient

    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def call(start: str, **parameters: Any) -> Notebook:
        [path] = [path for path in NOTEBOOKS if path.name.startswith(start)]
        notebook = nbformat.read(path, as_version=4)
        [cell] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        values = [f"{name} = {str(value)!r}" for name, value in parameters.items()]
        cell.source = "\n".join(["import warnings", "warnings.simplefilter('error')", *values])
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
        printed = [output for cell in _code(notebook) for output in cell.outputs if output.output_type == "stream"]
        assert not printed
        return notebook

    return call


@pytest.mark.notebook
def test_01_shows_the_splits_the_slices_and_the_checks(run: Callable[..., Notebook], packed: Packed) -> None:
    notebook = run("01_", dataset=packed.dataset)
    assert len(_outputs(notebook, "image/png")) == 2
    table = _outputs(notebook, "text/plain")[0]
    assert ["train", "2", "2", "2", "8"] in [line.split() for line in table.splitlines()]


@pytest.mark.notebook
def test_02_shows_every_picture(run: Callable[..., Notebook], tmp_path: Path) -> None:
    assert len(_outputs(run("02_", runs=write_results(tmp_path / "runs")), "image/png")) == 5


@pytest.mark.notebook
def test_03_has_the_tables_and_the_interval_beside_each_figure(run: Callable[..., Notebook], tmp_path: Path) -> None:
    notebook = run("03_", runs=write_results(tmp_path / "runs"))
    assert "AP − best floor" in _outputs(notebook, "text/html")[1]
    assert len(_outputs(notebook, "image/png")) == 1


@pytest.mark.notebook
def test_04_chooses_on_validation_and_not_on_test(run: Callable[..., Notebook], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [0.0, 0.1, 1.0, 10.0]
    table = pd.DataFrame({"dataset": "phantom", "method": "amcons", "constraint_weight": weights, "seeds": 2})
    figures = {"auprc": [0.2, 0.3, 0.4, 0.1], "validation_auprc": [0.1, 0.5, 0.4, 0.2]}
    table.assign(**figures, auprc_sd=rng.uniform(0.01, 0.02, 4)).to_csv(tmp_path / "ablation.csv", index=False)
    notebook = run("04_", ablation=tmp_path, setting="constraint_weight")
    assert len(_outputs(notebook, "image/png")) == 1
    choice = _outputs(notebook, "text/plain")[-2].splitlines()
    assert choice[1].split() == ["constraint_weight", "0.1", "1.0"]


@pytest.mark.notebook
def test_05_reads_a_prediction(run: Callable[..., Notebook], packed: Packed, tmp_path: Path) -> None:
    scan = HeadWriter(tmp_path / "raw")("sub-p1_ses-2", move=MOVE, lesion=True).image
    predict(scan, "--model", packed.model, "--out", tmp_path / "out", "--threshold", "p98", pages=False)
    notebook = run("05_", prediction=tmp_path / "out", image=scan)
    assert len(_outputs(notebook, "image/png")) == 1
    assert "sub-p1_ses-2" in _outputs(notebook, "text/plain")[0]
