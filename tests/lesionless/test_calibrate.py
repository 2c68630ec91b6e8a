"""A model calibrated on the normals of another site, and the verdicts that it then gives."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter, rigid
from test_predict import predict
from typer.testing import CliRunner

from lesionless.cli import app
from lesionless.prediction.calibrating import calibrate_site
from pipeline.errors import PipelineError
from pipeline.predict.model import read_model
from preprocessing.cohort.run import prepare


@pytest.fixture(scope="module")
def site(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten healthy heads of another site, prepared as the model's were; half of them of scanner B."""
    root = tmp_path_factory.mktemp("site")
    write = HeadWriter(root / "raw")
    scans = [write(f"sub-s{k}", move=rigid((0, 0, 0), (0.7 * k, -k, 0.5)), brighten=1 + k / 50) for k in range(10)]
    options = {"image_size": 60, "slices": 4, "slice_step": 1, "workers": 0, "progress": False}
    prepare(scans, root / "dataset", "site", config=str(packed.config), **options)
    rows = [f"sub-s{k}\t{'AB'[k % 2]}" for k in range(10)]
    (root / "participants.tsv").write_text("\n".join(["participant_id\tscanner", *rows]) + "\n")
    return root


def test_verdicts_come_from_the_normals_of_the_site(packed: Packed, site: Path, tmp_path: Path) -> None:
    words = ["calibrate", "--model", packed.model, "--normals", site / "dataset", "--out", tmp_path / "model"]
    result = CliRunner().invoke(app, [*map(str, words), "--alpha", "0.1", "--ml", "40"], catch_exceptions=False)
    assert "10 normals; alpha can be 0.0909 at least" in result.output
    made, before = read_model(tmp_path / "model"), read_model(packed.model)
    assert made.facts["calibrated_on"]["name"] == "site"
    assert made.facts["from"] == before.digest
    rules = {threshold.rule: threshold.value for threshold in made.thresholds[""]}
    assert rules["val_op"] == before.threshold("val_op", "").value  # learnt from patients, who stay
    assert "conformal(0.1, 40 mL)" in rules
    head = HeadWriter(tmp_path / "raw")
    patient = head("sub-p1_ses-2", move=MOVE, lesion=True).image
    predict(patient, "--model", tmp_path / "model", "--out", tmp_path / "out")
    summary = json.loads(next((tmp_path / "out").rglob("*summary.json")).read_text())
    assert summary["normals"] == 10
    assert summary["drift"]["false_alarm_rate"] == pytest.approx(1 / 11)
    assert (summary["verdict"] is None) == summary["drift"]["flagged"]
    cohort = pd.read_csv(tmp_path / "out" / "cohort.tsv", sep="\t")
    assert list(cohort["drift"]) == [summary["drift"]["flagged"]]


def test_cells_have_thresholds_of_their_own_and_one_must_be_chosen(packed: Packed, site: Path, tmp_path: Path) -> None:
    table = site / "participants.tsv"
    made = calibrate_site(packed.model, site / "dataset", tmp_path / "model", group="scanner", table=table)
    assert list(made.normals) == ["A", "B"]
    assert [len(normals.scans) for normals in made.normals.values()] == [5, 5]
    assert len({normals.histogram.digest() for normals in made.normals.values()}) == 2
    with pytest.raises(PipelineError, match="this model has cells: choose one by --cell; available: A, B"):
        made.cell(None)
    with pytest.raises(PipelineError, match="unknown cell 'C'; available: A, B"):
        made.cell("C")
    with pytest.raises(PipelineError, match=r"cell 'A': rule 'conformal' cannot keep alpha = 0.1 with 5 subjects"):
        calibrate_site(packed.model, site / "dataset", tmp_path / "no", promise=(0.1, 40), group="scanner", table=table)
    assert not (tmp_path / "no").exists()
    with pytest.raises(PipelineError, match="unknown column 'site'; available: participant_id, scanner"):
        calibrate_site(packed.model, site / "dataset", tmp_path / "no", group="site", table=table)


def test_normals_that_the_model_has_seen_are_refused(packed: Packed, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="'sub-t0': the model was trained or chosen on this normal"):
        calibrate_site(packed.model, packed.dataset, tmp_path / "model")
    assert not (tmp_path / "model").exists()
