"""Tissues by Atropos: named by the order of each contrast, refused where three classes make no sense."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from sklearn.metrics import f1_score
from synthetic_tissues import AFFINE, BRAIN, INTENSITIES, paint

from preprocessing.config import load_config
from preprocessing.errors import PreprocessingError
from preprocessing.prior.tissues import GM, TISSUES, WM, SegmentTissued, one_white_piece, tissue_dice
from preprocessing.scan import Scan

SETTINGS = {
    key: value for key, value in load_config("base", {})["tissues"]["transforms"][-1].items() if key != "_target_"
}


def segment(image: np.ndarray, contrast: str = "T1", **settings: Any) -> np.ndarray:
    tensors = {
        key: MetaTensor(torch.from_numpy(array.astype(np.float32))[None], affine=torch.from_numpy(AFFINE))
        for key, array in (("image", image), ("brain", BRAIN > 0))
    }
    scan = Scan("sub-a", "sub-a", contrast, Path("scan.nii.gz"), healthy=True)
    return SegmentTissued(**{**SETTINGS, **settings})({"scan": scan, **tensors})["tissues"][0].numpy()


@pytest.mark.parametrize("contrast", sorted(INTENSITIES))
def test_tissues_are_named_by_the_order_of_the_contrast(contrast: str) -> None:
    found = segment(paint(BRAIN, contrast, seed=0), contrast)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found > 0, BRAIN > 0)
    assert min(tissue_dice(found, BRAIN).values()) > 0.98


def test_fluid_of_many_intensities_is_one_class() -> None:
    """From equal steps between darkest and brightest, k-means would split it and join grey and white matter."""
    rng, image = np.random.default_rng(0), np.zeros(BRAIN.shape)
    fluid, grey, white = 0.01 + 0.3 * rng.beta(0.5, 4, BRAIN.shape), (0.47, 0.53), (0.36, 0.42)
    values = (fluid, rng.uniform(*grey, BRAIN.shape), rng.uniform(*white, BRAIN.shape))
    for label, value in enumerate(values, start=1):
        np.copyto(image, value, where=label == BRAIN)
    assert min(tissue_dice(segment(image, "FLAIR"), BRAIN).values()) > 0.95


def test_coarse_copy_keeps_what_is_thicker_than_its_voxels() -> None:
    found = segment(paint(BRAIN, "T2", seed=0), "T2", spacing_mm=6.0)
    np.testing.assert_array_equal(found > 0, BRAIN > 0)
    assert tissue_dice(found, BRAIN)["WM"] > 0.95


def test_bias_free_image_is_what_is_segmented() -> None:
    image = paint(BRAIN, "T1", seed=0)
    data = {
        key: MetaTensor(torch.from_numpy(array.astype(np.float32))[None], affine=torch.from_numpy(AFFINE))
        for key, array in (("image", np.ones_like(image)), ("corrected", image), ("brain", BRAIN > 0))
    }
    scan = Scan("sub-a", "sub-a", "T1", Path("scan.nii.gz"), healthy=True)
    found = SegmentTissued(**SETTINGS)({"scan": scan, **data})["tissues"][0].numpy()
    np.testing.assert_array_equal(found, segment(image))


def test_result_is_the_same_twice_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    image = paint(BRAIN, "T1", seed=0, noise=0.08)
    np.testing.assert_array_equal(segment(image), segment(image))
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == str(tmp_path)


def test_white_matter_is_one_piece() -> None:
    labels = BRAIN.copy()
    x, y, z = np.argwhere(labels == GM)[0]
    labels[x, y, z] = WM
    np.testing.assert_array_equal(one_white_piece(labels), BRAIN)


def test_ct_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"order of tissue intensities is known for CT; available: FLAIR, T1"):
        segment(paint(BRAIN, "T1", seed=0), "CT")


def test_brain_without_contrast_is_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: no three classes in the brain"):
        segment(np.where(BRAIN > 0, 0.5, 0))


def test_tissue_of_a_wrong_size_is_refused() -> None:
    rule = r"scan\.nii\.gz: shares of the brain CSF 0\.\d\d, GM 0\.\d\d, WM 0\.\d\d; each must be 0\.5 to 0\.75"
    with pytest.raises(PreprocessingError, match=rule):
        segment(paint(BRAIN, "T1", seed=0), share=[0.5, 0.75])


def test_dice_is_the_f1_score() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (2, 9, 8, 7))
    expected = f1_score(b.ravel(), a.ravel(), labels=[1, 2, 3], average=None)
    assert list(tissue_dice(a, b).values()) == pytest.approx(list(expected))
    assert tuple(tissue_dice(a, b)) == TISSUES
    assert np.isnan(tissue_dice(a * 0, b * 0)["CSF"])


@pytest.mark.shared
@pytest.mark.slow
def test_atlas_image_agrees_with_the_labels_of_the_atlas(shared_data: Path) -> None:
    t1, labels = (
        nib.as_closest_canonical(nib.funcs.squeeze_image(nib.load(shared_data / "sri24" / name))).get_fdata()
        for name in ("sri24_t1.nii.gz", "sri24_tissues.nii.gz")
    )
    tensors = {
        key: MetaTensor(torch.from_numpy(array.astype(np.float32))[None])  # voxels of 1 mm
        for key, array in (("image", t1), ("brain", t1 > 0))
    }
    scan = Scan("sub-sri", "sub-sri", "T1", shared_data / "sri24_t1.nii.gz", healthy=True)
    found = SegmentTissued(**SETTINGS)({"scan": scan, **tensors})["tissues"][0].numpy()
    dice = tissue_dice(found, np.rint(labels))
    assert min(dice["GM"], dice["WM"]) > 0.85
