"""Export every method and write what MONAI's verbs make of it into docs/EXPORT.md.

    python benchmarks/export_table.py

The models are tiny, of 32 px and hardly trained; steps and passes of the scorers are those of the methods. It takes
ten minutes of one core. The same command goes on where it was stopped: build/export_table has the rows until all are
there.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "export")]

from bundle_checks import DOCUMENT, HEADS, row, without_figures  # noqa: E402
from tiny_dataset import write_tiny_dataset  # noqa: E402
from tiny_models import CHEAP, GRID, write_model  # noqa: E402

from pipeline.catalogue import available_methods  # noqa: E402
from pipeline.export.bundle import export  # noqa: E402
from pipeline.files import write_json, write_text  # noqa: E402
from pipeline.papers.document import fill  # noqa: E402

WORK = ROOT / "build" / "export_table"


def main() -> None:
    warnings.simplefilter("ignore")  # of torch.jit, which is deprecated
    rows = {method: row_of(method) for method in available_methods()}
    write_text(WORK / "table.md", table(rows))
    fill(DOCUMENT, WORK, [WORK / "table.md"])
    shutil.rmtree(WORK)


def row_of(method: str) -> dict[str, str]:
    """The row of a method, measured once."""
    kept = WORK / f"{method}.json"
    if not kept.is_file():
        write_json(kept, measured(method))
    cells: dict[str, str] = json.loads(kept.read_text("utf-8"))
    print(method, *cells.values(), sep=" | ", flush=True)
    return cells


def measured(method: str) -> dict[str, str]:
    """The row of a method, whose scorer does all of its steps."""
    cheap = {key: value for key, value in CHEAP.get(method, {}).items() if not key.startswith("inferer#")}
    with TemporaryDirectory() as folder:
        root = Path(folder)
        model = write_model(method, write_tiny_dataset(root / "dataset"), root, cheap)
        export(model, root / "bundle", GRID, onnx=False)
        return {head: without_figures(cell) for head, cell in row(root / "bundle", root, onnx=True).items()}


def table(rows: dict[str, dict[str, str]]) -> str:
    """Markdown; a reason stands once, below, and its letter in the cells."""
    letters = letters_of(cell for cells in rows.values() for cell in cells.values())
    lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    for method, cells in rows.items():
        shown = [f"none ({letters[cell]})" if cell in letters else cell for cell in cells.values()]
        lines.append(f"| {' | '.join([method, *shown])} |")
    reasons = [f"* ({letter}) {cell.removeprefix('none: ')}." for cell, letter in letters.items()]
    return "\n".join([*lines, "", *reasons]) + "\n"


def letters_of(cells: Iterable[str]) -> dict[str, str]:
    reasons = dict.fromkeys(cell for cell in cells if cell.startswith("none: "))
    return dict(zip(reasons, "abcdefghijklmnopqrstuvwxyz", strict=False))


if __name__ == "__main__":
    main()
