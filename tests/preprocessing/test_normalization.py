"""Intensities inside the brain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from preprocessing.errors import PreprocessingError
from preprocessing.normalization import FlairLiked, ScaleIntensityRobustd
from preprocessing.scan import Scan

RNG = np.random.default_rng(0)
IMAGE = RNG.gamma(9, 10, (1, 20, 20, 20)).astype(np.float32)
BRAIN = RNG.random((1, 20, 20, 20)) < 0.7


def scaled(image: np.ndarray, **settings: float) -> dict[Any, Any]:
    settings = {"low": 0.5, "high": 50, "high_value": 0.4, "floor": 1e-3, "clipped": 0.05, **settings}
    scan = Scan("sub-a", "sub-a", "FLAIR", "scan.nii.gz", healthy=True)  # type: ignore[arg-type]
    tensors = {key: MetaTensor(torch.from_numpy(np.asarray(value, np.float32))) for key, value in
               (("image", image), ("brain", BRAIN))}  # fmt: skip
    return ScaleIntensityRobustd(**settings)({"scan": scan, **tensors})


def test_formula() -> None:
    low, high = np.percentile(IMAGE[BRAIN], (0.5, 50))
    expected = np.where(BRAIN, np.clip((IMAGE - low) / (high - low) * 0.4, 1e-3, 1), 0)
    result = scaled(IMAGE)
    np.testing.assert_allclose(result["image"].numpy(), expected, atol=1e-6)
    assert result["checks"]["clipped"] == pytest.approx((expected >= 1).sum() / BRAIN.sum(), abs=1e-5)


def test_brain_is_what_is_positive() -> None:
    np.testing.assert_array_equal(scaled(IMAGE)["image"].numpy() > 0, BRAIN)


@pytest.mark.parametrize(("gain", "offset"), [(0.001, 0.0), (40.0, 0.0), (3.0, -500.0)])
def test_scanner_units_do_not_matter(gain: float, offset: float) -> None:
    np.testing.assert_allclose(
        scaled(gain * IMAGE + offset)["image"].numpy(), scaled(IMAGE)["image"].numpy(), atol=1e-4
    )


def test_normal_tissue_keeps_its_value_beside_a_large_bright_lesion() -> None:
    tissue = 100 + 10 * RNG.standard_normal(IMAGE.shape)
    lesion = np.zeros(IMAGE.shape, bool)
    lesion[:, :3] = True  # 15 % of the brain
    normal = BRAIN & ~lesion
    with_lesion = scaled(np.where(lesion, 135, tissue))["image"].numpy()
    assert np.median(with_lesion[normal]) == pytest.approx(0.4, rel=0.1)
    by_percentile = scaled(np.where(lesion, 135, tissue), high=98, high_value=1)["image"].numpy()
    without = scaled(tissue, high=98, high_value=1)["image"].numpy()
    assert np.median(by_percentile[normal]) < 0.8 * np.median(without[normal])


def test_no_contrast_and_too_much_clipping_are_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: percentiles 0\.5 and 50 of the brain are both 3"):
        scaled(np.full_like(IMAGE, 3))
    with pytest.raises(PreprocessingError, match=r"0\.\d+ of the brain voxels are clipped; at most 0\.05"):
        scaled(IMAGE, high_value=1)


def test_flair_like_is_only_for_scans_that_ask_for_it() -> None:
    scan = Scan("sub-a", "sub-a", "T1", "scan.nii.gz", healthy=True)  # type: ignore[arg-type]
    data = {"scan": scan, "image": IMAGE}
    assert FlairLiked(seed=0)(data)["image"] is IMAGE
