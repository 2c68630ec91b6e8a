"""The prepared data set is a BIDS derivative by the official validator, and says what it was made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from synthetic_brain import HeadWriter, rigid

from preprocessing.cohort.run import prepare
from preprocessing.dataset.derivatives import folder, names, sidecar, write_description
from preprocessing.scan import Scan

MOVES = [rigid((0, 0, 0), (1, 2, k)) for k in range(3)]
SMALL = {"image_size": 16, "slices": 3, "slice_step": 2, "workers": 0, "progress": False}


@pytest.fixture
def scans(head: HeadWriter) -> list[Scan]:
    return [
        head("sub-h0", move=MOVES[0]),
        head("sub-h1_ses-2", move=MOVES[1], modality="T1", flair_like=True, simulated=True),
        head("sub-l0", move=MOVES[2], lesion=True),
    ]


@pytest.fixture
def out(scans: list[Scan], quick_config: Path, tmp_path: Path, use_coarse_atlas: Any) -> Path:
    prepare(scans, tmp_path / "out", "ixi+table", config=str(quick_config), **SMALL)
    return tmp_path / "out"


def issues(dataset: Path) -> list[dict[str, Any]]:
    """What bids-validator says, without the network."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    result = subprocess.run([validator, dataset, "--json"], capture_output=True, text=True, check=False, timeout=120)
    found: list[dict[str, Any]] = json.loads(result.stdout)["issues"]["issues"]
    return found


def test_the_official_validator_finds_no_error(out: Path) -> None:
    assert {issue["code"] for issue in issues(out)} <= {"TOO_FEW_AUTHORS"}
    mask = next(out.glob("sub-l0/anat/*label-lesion_mask.json"))
    mask.unlink()
    missing = [issue for issue in issues(out) if issue["severity"] == "error"]
    assert {(issue["code"], issue["subCode"]) for issue in missing} == {("SIDECAR_KEY_REQUIRED", "SpatialReference")}


def test_sidecars(out: Path, scans: list[Scan]) -> None:
    for scan in scans:
        files = {key: path for key, path in names(scan, "SRI24").items() if (out / path).exists()}
        found = {key: json.loads((out / sidecar(path)).read_text()) for key, path in files.items()}
        assert {"image", "brain", "transform"} <= found.keys()
        assert ("lesion" in found) is (scan.lesion is not None)
        assert found["image"]["SkullStripped"] is True
        assert found["image"]["Resolution"] == "4 × 4 × 4 mm, 60 × 60 × 39 voxels, RAS"
        assert found["brain"]["Type"] == "Brain"
        for key, content in found.items():
            source = scan.lesion if key == "lesion" else scan.image
            assert source is not None
            assert content["Sources"] == [f"bids:raw:{source.name}"]
            assert content.get("Simulated", False) is scan.simulated
            assert ("SpatialReference" in content) is (key != "transform")
    made = json.loads(next(out.glob("sub-h1/ses-2/anat/*preproc*.json")).read_text())
    assert made["Description"].startswith("a FLAIR-like contrast computed from T1")


def test_the_transform_goes_to_the_scan_and_its_inverse_back(out: Path, scans: list[Scan]) -> None:
    scan = scans[2]
    transform = sitk.ReadTransform(str(out / names(scan, "SRI24")["transform"]))
    lps = np.diag([-1.0, -1.0, 1.0])
    moved, label = (nib.load(path) for path in (out / names(scan, "SRI24")["lesion"], scan.lesion))
    centres = [image.affine[:3, :3] @ np.argwhere(image.get_fdata() > 0).mean(axis=0) + image.affine[:3, 3]
               for image in (moved, label)]  # fmt: skip
    there = np.array(transform.TransformPoint(lps @ centres[0]))
    back = np.array(transform.GetInverse().TransformPoint(lps @ centres[1]))
    np.testing.assert_allclose(lps @ there, centres[1], atol=4)
    np.testing.assert_allclose(lps @ back, centres[0], atol=4)
    np.testing.assert_allclose(transform.GetInverse().TransformPoint(there), lps @ centres[0], atol=1e-6)


def test_description(out: Path, tmp_path: Path) -> None:
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["GeneratedBy"][0]["Name"] == "lesionless"
    assert description["SourceDatasets"] == [{"URL": "https://brain-development.org/ixi-dataset/"}]
    assert "License" not in description  # of two data sets, one says nothing
    assert "SIMULATED" in (out / "README.md").read_text()
    write_description(tmp_path, "ixi", simulated=False, space="SRI24")
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert (description["License"], description["Name"]) == ("CC BY-SA 3.0", "ixi, prepared")
    assert description["DatasetLinks"] == {"raw": "https://brain-development.org/ixi-dataset/"}
    assert "SIMULATED" not in (tmp_path / "README.md").read_text()


def test_provenance_of_each_scan(out: Path, scans: list[Scan]) -> None:
    manifest = json.loads((out / "dataset.json").read_text())
    assert len(manifest["provenance"]["config_sha256"]) == 64
    assert {"lesionless", "antspyx", "monai"} <= manifest["provenance"]["versions"].keys()
    for scan in scans:
        record = json.loads((out / "ledger" / f"{scan.id}.json").read_text())
        assert all(len(file["sha256"]) == 64 for file in record["inputs"])
        written = {path.relative_to(out).as_posix() for path in (out / folder(scan)).rglob("*") if path.is_file()}
        assert set(record["outputs"]) == written
