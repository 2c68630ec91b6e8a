"""Slices stored as JPEG pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from scipy.ndimage import gaussian_filter

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.jpeg import CompressSlicesd
from preprocessing.scan import Scan

FLOOR = 1e-3
IMAGE = np.clip(gaussian_filter(np.random.default_rng(0).normal(size=(40, 48, 6)), (2, 2, 0)) + 0.5, 0.05, 1)
BRAIN = np.hypot(*(np.mgrid[:40, :48] - np.array([20, 24])[:, None, None])) < 16


def stored(image: np.ndarray, quality: int) -> np.ndarray:
    brain = np.repeat(BRAIN[..., None], image.shape[-1], axis=-1)
    arrays = {"image": np.where(brain, image, 0), "brain": brain}
    tensors = {key: MetaTensor(torch.from_numpy(value.astype(np.float32))[None]) for key, value in arrays.items()}
    scan = Scan("sub-a", "sub-a", "FLAIR", Path("scan.nii.gz"), healthy=True)
    return CompressSlicesd(quality, FLOOR)({"scan": scan, **tensors})["image"][0].numpy()


def test_the_loss_is_that_of_a_jpeg_file_and_grows_as_quality_falls(tmp_path: Path) -> None:
    inside = np.where(BRAIN, IMAGE[..., 2], 0)
    picture = sitk.GetImageFromArray(np.round(255 * inside).astype(np.uint8))
    sitk.WriteImage(picture, str(tmp_path / "slice.jpg"), useCompression=True, compressionLevel=75)
    file = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "slice.jpg"))) / 255
    np.testing.assert_allclose(stored(IMAGE, 75)[..., 2][BRAIN], np.clip(file, FLOOR, 1)[BRAIN], atol=2 / 255)
    errors = [np.abs(stored(IMAGE, quality) - IMAGE)[BRAIN].mean() for quality in (95, 75, 10)]
    assert 0 < errors[0] < errors[1] < errors[2] and errors[0] < 3 / 255


def test_the_brain_stays_what_is_positive_and_slices_do_not_meet() -> None:
    found = stored(IMAGE, 75)
    np.testing.assert_array_equal(found > 0, np.repeat(BRAIN[..., None], 6, axis=-1))
    np.testing.assert_array_equal(stored(IMAGE[..., ::-1], 75), found[..., ::-1])


@pytest.mark.parametrize("quality", [0, 96])
def test_another_quality_is_refused(quality: int) -> None:
    with pytest.raises(PreprocessingError, match=f"must be in 1 to 95, got {quality}"):
        CompressSlicesd(quality, FLOOR)
