"""Real heads: brain masks, registration and every adapter, on the scans beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from preprocessing.cohort.run import prepare
from preprocessing.datasets import find_scans
from preprocessing.space.grid import load_grid
from preprocessing.strippers import Deepbet

pytestmark = [pytest.mark.shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def deepbet() -> Deepbet:
    return Deepbet()


def mask_dice(deepbet: Deepbet, image: Path, reference: Path) -> float:
    head, truth = load_grid(image), load_grid(reference).array > 0
    mask = deepbet(head.array, head.affine, None)
    return 2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth))


@pytest.mark.parametrize("scan", ["patient01_study1", "patient01_study2", "patient04_study1"])
def test_brain_masks_of_raw_flair(deepbet: Deepbet, shared_data: Path, scan: str) -> None:
    folder = shared_data / "mslub_raw"
    assert mask_dice(deepbet, folder / f"{scan}_FLAIR.nii.gz", folder / f"{scan}_brainmask_in_FLAIR.nii.gz") >= 0.95


def test_brain_masks_of_healthy_t1(deepbet: Deepbet, shared_data: Path) -> None:
    heads = sorted((shared_data / "ixi_2mm").glob("*_T1.nii.gz"))[::6][:10]
    dice = [mask_dice(deepbet, head, head.with_name(head.name.replace("_T1", "_DLMUSE"))) for head in heads]
    assert len(dice) == 10
    assert np.mean(dice) >= 0.97


def test_every_lesion_scan_goes_through(shared_data: Path, tmp_path: Path) -> None:
    folders = {"brats2015": "brats2015", "mslub_mni": "mslub", "mslub_raw": "mslub"}
    scans = [scan for folder, name in folders.items() for scan in find_scans(name, shared_data / folder)]
    prepared = prepare(scans, tmp_path, "real", workers=2, progress=False)
    assert prepared.failures == {}
    records = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "ledger").glob("sub-*.json")}
    whole = {name: record["checks"]["mask_dice"] for name, record in records.items() if not record["checks"]["partial"]}
    assert len(records) == 9
    assert set(records) - set(whole) == {"sub-brats2013pat00061"}  # its back third is not in the image
    assert min(whole.values()) >= 0.93
    for item in json.loads(prepared.manifest.read_text())["items"]:
        check_volume(tmp_path, item)


def check_volume(out: Path, item: dict[str, Any]) -> None:
    image, brain = (np.asarray(nib.load(out / item[key]).dataobj) for key in ("image", "brain"))
    np.testing.assert_array_equal(image > 0, brain > 0)
    assert np.median(image[brain > 0]) == pytest.approx(0.4, abs=0.02)
    if item["lesion"] is not None:
        assert item["lesion_ml"] > 0
        lesion = np.asarray(nib.load(out / item["lesion"]).dataobj) > 0
        assert (lesion & (brain == 0)).sum() < 0.05 * lesion.sum()
