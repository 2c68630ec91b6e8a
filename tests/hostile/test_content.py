"""Names and notes that a spreadsheet, a page or a terminal would take for commands reach it as text."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from pipeline.files import quoted, unquoted, write_csv
from pipeline.predict.outputs import write_table
from pipeline.report.results import read_csv
from preprocessing.cohort.ledger import write_failures
from preprocessing.cohort.survey import Finding, write_findings
from preprocessing.datasets.table import find_scans
from preprocessing.datasets.table import write_table as write_scans
from preprocessing.errors import PreprocessingError
from preprocessing.io.text import read_text
from preprocessing.scan import Scan

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1+1", "-x")
COMPUTED = ("=", "+", "-", "@", "\t", "\r")


def cells(path: Path) -> list[str]:
    separator = "\t" if path.suffix == ".tsv" else ","
    return [cell for row in csv.reader(read_text(path).splitlines(), delimiter=separator) for cell in row]


def assert_harmless(path: Path) -> None:
    found = [cell for cell in cells(path) if cell.startswith(COMPUTED) and not pd.api.types.is_number(_value(cell))]
    assert not found, found


def _value(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


@pytest.mark.parametrize("text", FORMULAS)
def test_no_table_that_is_written_has_a_formula(text: str, tmp_path: Path) -> None:
    write_csv(
        tmp_path / "metrics.csv", pd.DataFrame([{"method": text, "title": text, "auprc": -0.5, "card_name": text}])
    )
    write_table(tmp_path / "cohort.tsv", ("id", "reason", "peak"), [{"id": "sub-1", "reason": text, "peak": -2.0}])
    write_failures(tmp_path, [{"id": "sub-1", "state": "failed", "reason": text}])
    write_findings(tmp_path / "findings.tsv", [Finding("bids", "unknown file", text)])
    names = ("metrics.csv", "cohort.tsv", "failures.tsv", "findings.tsv")
    for name in names:
        assert_harmless(tmp_path / name)
        assert text.strip() in read_text(tmp_path / name)
    assert read_csv(tmp_path / "metrics.csv").loc[0, ["card_name", "auprc"]].tolist() == [text, -0.5]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.sampled_from(FORMULAS))
def test_a_quoted_text_comes_back(text: str) -> None:
    assert unquoted(quoted(text)) == text or text.startswith("'")
    assert not str(quoted(text)).startswith(COMPUTED) or isinstance(_value(text), float)


def test_a_table_of_scans_with_such_names_reads_back(tmp_path: Path) -> None:
    (tmp_path / "=1+1.nii").touch()
    scan = Scan("sub-1", "sub-1", "FLAIR", tmp_path / "=1+1.nii", healthy=True)
    write_scans([scan], tmp_path / "scans.csv", tmp_path)
    assert_harmless(tmp_path / "scans.csv")
    assert find_scans(tmp_path) == [scan]


def test_the_figures_of_files_with_such_names(tmp_path: Path) -> None:
    for k, name in enumerate(("=1+1", "@x")):
        for role in ("maps", "labels"):
            array = np.random.default_rng(k).random((6, 6, 6)).astype(np.float32)
            (tmp_path / role).mkdir(exist_ok=True)
            array = array if role == "maps" else (array > 0.8).astype(np.float32)
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / role / f"{name}.nii")
    words = ["metrics", tmp_path / "maps", tmp_path / "labels", "--out", tmp_path / "out", "--replicates", "5"]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    for name in ("metrics.csv", "scans.csv"):
        assert_harmless(tmp_path / "out" / name)


@pytest.mark.parametrize("kind", [PipelineError, PreprocessingError])
def test_a_name_commands_no_terminal(kind: type[Exception]) -> None:
    message = str(kind("scan\n\x1b[2J\x07\u202e.nii: no such file"))
    assert message.isprintable() and message.endswith(".nii: no such file")
