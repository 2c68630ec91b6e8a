from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tiny_prior import name_maps

from pipeline.errors import PipelineError
from pipeline.prior import load_prior


@pytest.fixture
def copy(tiny_dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_dataset / "prior", tmp_path / "prior"))


def test_axes_are_those_of_a_slice(copy: Path, tiny_dataset: Path) -> None:
    maps = np.random.default_rng(0).random((32, 32, 10, 4)).astype(np.float32)
    nib.save(nib.Nifti1Image(maps, np.eye(4)), copy / "mean.nii.gz")
    name_maps(copy)
    found = load_prior(copy, tiny_dataset).mean
    assert found[7, 2, 5, 9] == maps[5, 9, 7, 2]


def test_its_name_is_its_source_and_the_start_of_its_hash(copy: Path, tiny_dataset: Path) -> None:
    assert load_prior(copy, tiny_dataset).name == "a disc of three rings (0123456789ab)"
    card = json.loads((copy / "prior.json").read_text())
    (copy / "prior.json").write_text(json.dumps({**card, "cohort_hash": "f" * 64}))
    assert load_prior(copy, tiny_dataset).name == "a disc of three rings (ffffffffffff)"


def test_without_a_prior_the_message_is_the_command_that_makes_one(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError,
        match="no tissue prior in .*run `python -m preprocessing prior --dataset .* --out .*none` .with --default: ",
    ):
        load_prior(tmp_path / "none", tiny_dataset)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 2}, "has format and version .*reads .'lesionless-prior', 1"),
        ({"classes": ["GM", "WM", "CSF", "background"]}, "has the classes .*'GM', 'WM'.* reads .'CSF', 'GM'"),
        ({"image_size": 64}, "has image_size 64, the dataset 32"),
        ({"space": "MNI152"}, "has space MNI152, the dataset SRI24"),
    ],
)
def test_priors_of_another_kind_are_refused(change: dict, message: str, copy: Path, tiny_dataset: Path) -> None:
    card = json.loads((copy / "prior.json").read_text())
    (copy / "prior.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(PipelineError, match=message):
        load_prior(copy, tiny_dataset)


@pytest.mark.parametrize("name", ["mean", "variance"])
def test_maps_that_are_not_those_of_the_card_are_refused(name: str, copy: Path, tiny_dataset: Path) -> None:
    path = copy / f"{name}.nii.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(PipelineError, match=rf"{name}.nii.gz is not the file that its prior.json names"):
        load_prior(copy, tiny_dataset)
    path.unlink()
    with pytest.raises(PipelineError, match=rf"{name}.nii.gz is not the file that its prior.json names"):
        load_prior(copy, tiny_dataset)


def test_maps_of_another_grid_are_refused(copy: Path, tiny_dataset: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((16, 16, 10, 4), np.float32), np.eye(4)), copy / "variance.nii.gz")
    name_maps(copy)
    with pytest.raises(PipelineError, match=r"mean and variance must be \[32, 32, slices, 4\]"):
        load_prior(copy, tiny_dataset)


def test_a_card_without_digests_is_refused(copy: Path, tiny_dataset: Path) -> None:
    card = json.loads((copy / "prior.json").read_text())
    (copy / "prior.json").write_text(json.dumps({key: card[key] for key in card if key != "sha256"}))
    with pytest.raises(PipelineError, match="mean.nii.gz is not the file that its prior.json names"):
        load_prior(copy, tiny_dataset)


def test_a_dataset_without_places_is_refused(copy: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_dataset, tmp_path / "dataset"))
    manifest = json.loads((root / "dataset.json").read_text())
    manifest["items"] = [{key: item[key] for key in item if key != "z"} for item in manifest["items"]]
    (root / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineError, match="does not say where its slices lie: prepare it again"):
        load_prior(copy, root)
