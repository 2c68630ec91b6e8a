"""Scans that cannot be predicted are named with the reason, in words that say what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter
from test_predict import predict

from lesionless.prediction import order
from preprocessing.errors import PreprocessingError
from preprocessing.space.atlas import Atlas


def nothing(array: np.ndarray) -> np.ndarray:
    return np.zeros_like(array)


def far_part(array: np.ndarray) -> np.ndarray:
    """A sixth of the head, the rest is air."""
    kept = np.argwhere(array)[:, 2].min() + 10
    return np.where(np.arange(array.shape[2]) < kept, array, 0)


def slab(array: np.ndarray) -> np.ndarray:
    """Twelve slices of 4 mm."""
    return array[:, :, :12]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (nothing, "every voxel is 0; an image needs contrast"),
        (far_part, r"the brain mask has \d+ mL; it must have 700 to 2200 mL"),
        (slab, r"field of view .* mm; a head needs 80 mm"),
    ],
)
def test_no_brain_or_a_part_of_a_head(
    packed: Packed, head: HeadWriter, tmp_path: Path, damage: object, message: str
) -> None:
    path = head("sub-o1", move=MOVE).image
    image = nib.load(path)
    nib.Nifti1Image(damage(np.asarray(image.dataobj)), image.affine).to_filename(path)
    text = predict(path, "--model", packed.model, "--out", tmp_path / "out", code=1)
    assert re.search(f"sub-o1: failed: {re.escape(str(path))}: .*({message})", " ".join(text.split())), text
    assert not list((tmp_path / "out").glob("sub-*/**/*.nii.gz"))


@pytest.mark.parametrize("codes", ["RAS", "PSL"])
def test_a_file_on_the_grid_of_the_atlas_is_no_scan(
    packed: Packed, head: HeadWriter, tmp_path: Path, codes: str
) -> None:
    text = predict(head("sub-x", codes=codes).image, "--model", packed.model, "--out", tmp_path / "out", code=1)
    assert "sub-x.nii.gz: already on the grid of the atlas SRI24; give the scan as it was taken" in text


def test_another_atlas_is_refused(
    packed: Packed, coarse_atlas: Atlas, head: HeadWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = nib.load(coarse_atlas.brain)
    other = tmp_path / "atlas" / "brain.nii.gz"
    other.parent.mkdir()
    nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine).to_filename(other)
    monkeypatch.setattr("preprocessing.space.atlas.ensure_atlas", lambda path=None: replace(coarse_atlas, brain=other))
    order.opened.cache_clear()
    try:
        with pytest.raises(PreprocessingError, match="not the atlas that the model was made with; --atlas FOLDER"):
            predict(head("sub-x").image, "--model", packed.model, "--out", tmp_path / "out")
    finally:
        order.opened.cache_clear()
