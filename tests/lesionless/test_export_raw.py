"""The exported bundle takes raw scans, too, and draws the map that `lesionless predict` draws."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigWorkflow
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from typer.testing import CliRunner

from lesionless.cli import app
from preprocessing.config import known_atlas
from preprocessing.errors import PreprocessingError
from preprocessing.space.atlas import Atlas

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:.torch.jit")


@pytest.fixture(scope="module")
def bundle(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "bundle"
    done = CliRunner().invoke(app, ["export", "--model", str(packed.model), "--out", str(out), "--no-onnx"])
    assert done.exit_code == 0, done.output
    return out


def run_raw(bundle: Path, scans: Path, maps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m monai.bundle run` with both files, in this process, whose atlas is the synthetic one."""
    monkeypatch.chdir(bundle)
    files = ["configs/inference.yaml", "configs/inference_raw.yaml"]
    meta = "configs/metadata.json"
    given = {"dataset_dir": str(scans), "output_dir": str(maps)}
    workflow = ConfigWorkflow(files, meta, False, workflow_type="infer", **given)
    workflow.initialize()
    workflow.run()


def test_a_raw_scan_has_the_map_of_predict_on_its_own_grid(
    bundle: Path, packed: Packed, head: HeadWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = head("sub-p1_ses-2", move=MOVE, lesion=True, codes="ASL").image
    (scan.parent / "sub-p1_ses-2_label.nii.gz").unlink()
    run_raw(bundle, scan.parent, tmp_path / "maps", monkeypatch)
    words = ["predict", str(scan), "--model", str(packed.model), "--out", str(tmp_path / "out"), "--workers", "0"]
    assert CliRunner().invoke(app, [*words, "--no-pages"]).exit_code == 0
    expected = nib.load(next((tmp_path / "out").rglob("*_space-orig_anomaly.nii.gz")))
    found = nib.load(tmp_path / "maps" / "sub-p1_ses-2_anomaly.nii.gz")
    assert os.listdir(tmp_path / "maps") == ["sub-p1_ses-2_anomaly.nii.gz"]
    np.testing.assert_allclose(found.affine, nib.load(scan).affine, atol=1e-5)
    np.testing.assert_allclose(found.get_fdata(), expected.get_fdata(), atol=1e-5)
    assert np.count_nonzero(found.get_fdata()) > 5000


def test_another_atlas_and_a_scan_in_another_space_are_refused(
    bundle: Path, coarse_atlas: Atlas, head: HeadWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PreprocessingError, match="not the atlas that the model was made with; --atlas_dir FOLDER"):
        known_atlas(coarse_atlas.folder, "0" * 64)
    scan = head("sub-a").image
    scan.rename(scan.with_name("sub-a_space-SRI24_FLAIR.nii.gz"))
    with pytest.raises(RuntimeError) as refusal:
        run_raw(bundle, scan.parent, tmp_path / "maps", monkeypatch)
    assert "already in the space SRI24" in str(refusal.getrepr(chain=True))
