"""The notebooks run from top to bottom, on results as the pipeline writes them, without a warning."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from results_tree import write_results

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READS_RESULTS = [path for path in NOTEBOOKS if path.name.startswith("02_")]


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_without_outputs_and_defines_no_function(path: Path) -> None:
    cells = _code(nbformat.read(path, as_version=4))
    assert all(cell.execution_count is None and not cell.outputs for cell in cells)
    source = "\n".join(line for cell in cells for line in cell.source.splitlines() if not line.startswith("%"))
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, made)]


@pytest.mark.notebook
@pytest.mark.parametrize("path", READS_RESULTS, ids=lambda path: path.stem)
def test_notebook_runs_on_results(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    runs = write_results(tmp_path / "runs")
    notebook = nbformat.read(path, as_version=4)
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = f"import warnings\nwarnings.simplefilter('error')\nruns = {str(runs)!r}"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "stream"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 5
