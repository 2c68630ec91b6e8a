"""`lesionless bids` as people call BIDS Apps, and what it writes by the official validator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from typer.testing import CliRunner

from lesionless.cli import app
from lesionless.prediction.sources import bids_sources
from preprocessing.errors import PreprocessingError


@pytest.fixture
def raw(head: HeadWriter, tmp_path: Path) -> Path:
    """Two participants without `participants.tsv`."""
    for name in ("sub-o1", "sub-o2"):
        folder = tmp_path / "bids" / name / "anat"
        folder.mkdir(parents=True)
        shutil.copyfile(head(name, move=MOVE, lesion=True).image, folder / f"{name}_FLAIR.nii.gz")
    return tmp_path / "bids"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["bids", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_participants_then_group(packed: Packed, raw: Path, tmp_path: Path) -> None:
    out, model = raw / "derivatives" / "lesionless", ("--model", packed.model)
    call(raw, out, "participant", *model, "--participant_label", "o1", "sub-o2", "--skip-bids-validator")
    assert not (out / "cohort.tsv").exists()
    call(raw, out, "group", *model)
    assert sorted(pd.read_csv(out / "cohort.tsv", sep="\t")["id"]) == ["sub-o1", "sub-o2"]
    assert (out / "index.html").is_file()
    validator = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run([validator, out, "--json"], capture_output=True, text=True, check=False, timeout=120)
    assert {issue["code"] for issue in json.loads(done.stdout)["issues"]["issues"]} <= {"TOO_FEW_AUTHORS"}
    assert all(source.label is None for source in bids_sources(raw, "FLAIR"))  # what was predicted is no label


def test_a_label_that_nobody_has_is_refused(raw: Path) -> None:
    with pytest.raises(PreprocessingError, match="no FLAIR scan of 'sub-9'; available: sub-o1, sub-o2"):
        bids_sources(raw, "FLAIR", ["9"])
    with pytest.raises(PreprocessingError, match="no T1 scan of any participant"):
        bids_sources(raw, "T1")
