"""From raw synthetic heads to maps on their own grids, by the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter, lesion_at
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from preprocessing.errors import PreprocessingError


def predict(*arguments: object, code: int = 0, pages: bool = False) -> str:
    """What the command prints; errors of a user are raised."""
    words = ["predict", *map(str, arguments), "--workers", "0", "--pages" if pages else "--no-pages"]
    result = CliRunner().invoke(app, words, catch_exceptions=True)
    if isinstance(result.exception, (PipelineError, PreprocessingError)):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def patient(head: HeadWriter) -> Path:
    return head("sub-p1_ses-2", move=MOVE, lesion=True, codes="LPS").image


def test_a_lesion_is_found_where_it_is_on_the_scans_own_grid(packed: Packed, patient: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(patient, "--model", packed.model, "--out", out, "--atlas-space", "--threshold", "p98")
    folder, scan = out / "sub-p1" / "ses-2" / "anat", nib.load(patient)
    mask, anomaly = (
        nib.load(folder / f"sub-p1_ses-2_space-orig_{end}.nii.gz") for end in ("label-lesion_mask", "anomaly")
    )
    for image in (mask, anomaly):
        assert image.shape == scan.shape
        np.testing.assert_allclose(image.affine, scan.affine, atol=1e-5)
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    found = pd.read_csv(folder / "sub-p1_ses-2_space-orig_lesions.tsv", sep="\t")
    voxels = np.argwhere(np.asarray(scan.dataobj) == 160)
    truth = scan.affine[:3, :3] @ voxels.mean(axis=0) + scan.affine[:3, 3]
    best = found.loc[found["mean"].idxmax()]  # the synthetic brain has bright parts of its own
    assert np.linalg.norm(best[["x_mm", "y_mm", "z_mm"]].to_numpy(float) - truth) < 5
    assert best["volume_mm3"] == pytest.approx(len(voxels) * 64, rel=0.2)
    values = np.asarray(anomaly.dataobj)
    summary = json.loads((folder / "sub-p1_ses-2_space-orig_summary.json").read_text())
    inside = np.asarray(mask.dataobj) > 0
    assert (values[inside] >= np.float32(summary["threshold"]["value"])).all()
    assert summary["volume_ml"] == pytest.approx(inside.sum() * 0.064, abs=1e-3)
    place = best[["atlas_x_mm", "atlas_y_mm", "atlas_z_mm"]].to_numpy(float)
    assert lesion_at(place)


def test_six_orientations_of_a_file_give_one_table(packed: Packed, head: HeadWriter, tmp_path: Path) -> None:
    codes = ("RAS", "LPS", "PSR", "SAL", "IPR", "ASL")
    images = [head(f"sub-o{k}", move=MOVE, lesion=True, codes=code).image for k, code in enumerate(codes)]
    predict(*images, "--model", packed.model, "--out", tmp_path / "out", "--threshold", "p98")
    table = pd.read_csv(tmp_path / "out" / "lesions.tsv", sep="\t")
    tables = [rows.drop(columns="scan").reset_index(drop=True) for _, rows in table.groupby("scan")]
    assert len(tables) == 6
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other, atol=0.02, rtol=1e-4)


def test_one_bad_scan_is_named_and_the_rest_go_on(
    packed: Packed, head: HeadWriter, patient: Path, tmp_path: Path
) -> None:
    bad = head("sub-bad").image
    bad.write_bytes(bad.read_bytes()[:2000])
    text = predict(patient, bad, "--model", packed.model, "--out", tmp_path / "out", code=1)
    assert "sub-bad: failed:" in text
    cohort = pd.read_csv(tmp_path / "out" / "cohort.tsv", sep="\t").set_index("id")
    assert dict(cohort["state"]) == {"sub-bad": "failed", "sub-p1_ses-2": "done"}
    assert str(bad) in cohort.loc["sub-bad", "reason"]


def test_a_rerun_does_nothing_twice_and_mends_what_was_lost(packed: Packed, patient: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(patient, "--model", packed.model, "--out", out)
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "lock"}
    times = {path: path.stat().st_mtime_ns for path in files if "anat" in path.parts}
    predict(patient, "--model", packed.model, "--out", out)
    assert {path: path.read_bytes() for path in files} == files
    assert {path: path.stat().st_mtime_ns for path in times} == times
    lost = next(out.glob("sub-p1/ses-2/anat/*mask.nii.gz"))
    lost.unlink()
    predict(patient, "--model", packed.model, "--out", out)
    assert lost.read_bytes() == files[lost]


def test_a_run_is_a_model_too(packed: Packed, patient: Path, tmp_path: Path) -> None:
    run = shutil.copytree(packed.run, tmp_path / "seed-0")
    predict(patient, "--model", run, "--out", tmp_path / "out")
    assert (run / "model" / "model.json").is_file()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("sub-x_T1w.nii.gz", [], "a T1 scan; this model knows FLAIR"),
        ("sub-x_space-SRI24_FLAIR.nii.gz", [], "already in the space SRI24"),
        ("sub-x_FLAIR.nii.gz", ["--threshold", "p42"], "unknown threshold 'p42'; available: val_op, p90, p95, p98"),
        ("sub-x_FLAIR.txt", [], "not a NIfTI file"),
    ],
)
def test_bad_input_is_refused_by_name(
    packed: Packed, head: HeadWriter, tmp_path: Path, name: str, arguments: list[str], message: str
) -> None:
    path = head("sub-x").image.rename(tmp_path / name)
    with pytest.raises((PipelineError, PreprocessingError), match=message):
        predict(path, "--model", packed.model, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out" / "cohort.tsv").exists()


def test_a_tampered_truncated_or_incomplete_model_is_refused(packed: Packed, patient: Path, tmp_path: Path) -> None:
    def refused(change: str, content: bytes | None, message: str) -> None:
        model = shutil.copytree(packed.model, tmp_path / change)
        if content is None:
            (model / change).unlink()
        else:
            (model / change).write_bytes(content)
        with pytest.raises(PipelineError, match=message):
            predict(patient, "--model", model, "--out", tmp_path / "out")

    text = (packed.model / "method.yaml").read_bytes()
    refused("method.yaml", text + b"#", "method.yaml' is not the file that was packed")
    refused("normals.npz", None, "normals.npz' is missing")
    refused("model.json", (packed.model / "model.json").read_bytes()[:-9], "truncated or not JSON")
    with pytest.raises(PipelineError, match="no model in"):
        predict(patient, "--model", tmp_path, "--out", tmp_path / "out")
    shutil.copytree(packed.model, tmp_path / "bundle" / "models")
    with pytest.raises(PipelineError, match="exported bundle, whose model is '.*bundle/models'"):
        predict(patient, "--model", tmp_path / "bundle", "--out", tmp_path / "out")


def test_a_folder_of_another_model_is_refused(packed: Packed, patient: Path, tmp_path: Path) -> None:
    predict(patient, "--model", packed.model, "--out", tmp_path / "out")
    asked = tmp_path / "out" / "ledger" / "predict.json"
    asked.write_text(json.dumps({"model": "other", "title": "Other"}))
    with pytest.raises(PipelineError, match=r"holds predictions of another model \(Other\)"):
        predict(patient, "--model", packed.model, "--out", tmp_path / "out")


def test_a_model_without_thresholds_is_refused(packed: Packed, patient: Path, tmp_path: Path) -> None:
    model = shutil.copytree(packed.model, tmp_path / "model")
    (model / "thresholds.json").unlink()
    facts = json.loads((model / "model.json").read_text())
    del facts["files"]["thresholds.json"]
    (model / "model.json").write_text(json.dumps(facts))
    with pytest.raises(PipelineError, match="has no thresholds: pack it again after the stage calibrate"):
        predict(patient, "--model", model, "--out", tmp_path / "out")


def test_a_label_gives_a_dice_and_decides_nothing_else(packed: Packed, head: HeadWriter, tmp_path: Path) -> None:
    scan = head("sub-o1", move=MOVE, lesion=True)
    assert scan.lesion is not None
    rows = [f"sub-o1,{scan.image.name},{scan.lesion.name},false", f"sub-o2,{scan.image.name},,false"]
    table = scan.image.with_name("scans.csv")
    table.write_text("\n".join(["id,image,lesion,healthy", *rows]) + "\n")
    predict(table, "--model", packed.model, "--out", tmp_path / "out", "--threshold", "p98")
    with_label, without = (
        json.loads(next((tmp_path / "out" / name).rglob("*summary.json")).read_text()) for name in ("sub-o1", "sub-o2")
    )
    paths = (next((tmp_path / "out" / "sub-o1").rglob("*mask.nii.gz")), scan.lesion)
    mask, label = (np.asarray(nib.load(path).dataobj) > 0 for path in paths)
    assert with_label["dice"] == pytest.approx(2 * (mask & label).sum() / (mask.sum() + label.sum()), abs=1e-4)
    assert without["dice"] is None
    different = {key for key in with_label if with_label[key] != without[key]}
    assert different == {"id", "dice"}


def test_a_prepared_data_set_is_taken_as_it_is(packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preprocessing.cohort.task.run_steps", lambda *given: pytest.fail("prepared again"))
    before = {path: path.stat().st_mtime_ns for path in packed.dataset.rglob("*")}
    predict(packed.dataset, "--model", packed.model, "--out", tmp_path / "out", "--threshold", "p98")
    assert {path: path.stat().st_mtime_ns for path in packed.dataset.rglob("*")} == before
    assert not list((tmp_path / "out" / "prepared").rglob("*.nii.gz"))
    cohort = pd.read_csv(tmp_path / "out" / "cohort.tsv", sep="\t").set_index("id")
    assert len(cohort) == 11
    assert set(cohort["state"]) == {"done"}
    assert list(cohort["dice"].notna()) == list(cohort.index.str.startswith("sub-l"))
    assert set(cohort.index[cohort["seen_by_model"]]) == {"sub-t0", "sub-t1", "sub-l0", "sub-l1"}


def test_scans_of_a_data_set_that_was_prepared_otherwise_are_prepared_anew(packed: Packed, tmp_path: Path) -> None:
    """With another tool in its configuration, a scan of the data set is not what the model was trained on.

    The model still knows the file: `sub-l0` is of the validation split, and its label is not read this time.
    """
    dataset = shutil.copytree(packed.dataset, tmp_path / "dataset")
    status = dataset / "ledger" / "sub-l0.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "request": "other"}))
    text = predict(dataset, "--model", packed.model, "--out", tmp_path / "out", "--threshold", "p98")
    again = {path.name for path in (tmp_path / "out" / "prepared").glob("sub-*")}
    assert again == {"sub-l0"}
    (line,) = (line for line in text.splitlines() if line.startswith("sub-l0:"))
    assert line.endswith("the model was trained or chosen on this scan")
    assert json.loads(status.read_text())["request"] == "other"
