"""CT in Hounsfield units: what is refused, padding, gantry tilt and the head rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from synthetic_ct import CtHead, ct_head

from preprocessing.config import load_config
from preprocessing.errors import PreprocessingError
from preprocessing.intensity.hounsfield import CheckHounsfieldd, RemoveBedd, ScaleIntensityWindowd
from preprocessing.io.grids import skew_degrees
from preprocessing.scan import Scan

CONFIG = load_config("ct", {})
CHECK = CheckHounsfieldd(**{key: value for key, value in CONFIG["hounsfield"].items() if key != "_target_"})
BED = RemoveBedd(CONFIG["bed"]["opening_mm"])


def data(image: np.ndarray, affine: np.ndarray, **fields: Any) -> dict[str, Any]:
    scan = Scan("sub-a", "sub-a", "CT", Path("scan.nii.gz"), healthy=True, **fields)
    return {"scan": scan, "image": MetaTensor(torch.from_numpy(image.astype(np.float32))[None], torch.tensor(affine))}


@pytest.fixture(scope="module")
def head() -> CtHead:
    return ct_head()


def test_padding_becomes_air_and_the_rest_stays(head: CtHead) -> None:
    result = CHECK(data(head.image, head.affine))
    image, padding = result["image"][0].numpy(), head.image < -1024
    assert (image[padding & (head.image < -2000)] == -1000).all()
    np.testing.assert_array_equal(image[~padding], head.image[~padding])
    assert result["checks"]["padding"] == pytest.approx(padding.mean(), abs=1e-4)
    assert result["checks"]["bone_ml"] == pytest.approx((head.bone.sum()) * 18.75e-3, rel=0.1)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda x: x + 1024, r"0\.0\d\d of the voxels are air \(-1100 to -900\), at least 0\.05; its values go from "),
        (lambda x: np.clip(x / 10, 0, 255), r"of the voxels are air"),
        (lambda x: np.minimum(x, 60), r"0 mL of bone \(above 300\); a head has 100 to 2500 mL"),
        (lambda x: np.zeros_like(x), r"of the voxels are air"),
        (lambda x: np.random.default_rng(0).normal(size=x.shape) * 300, r"of the voxels are air"),
    ],
)
def test_what_is_not_in_hounsfield_units_is_refused(head: CtHead, change: Any, rule: str) -> None:
    with pytest.raises(PreprocessingError, match=r"^scan\.nii\.gz: no CT head in Hounsfield units: .*" + rule):
        CHECK(data(change(np.maximum(head.image, -1000)), head.affine))


def test_a_stripped_ct_needs_no_bone() -> None:
    head = ct_head(noise=0)
    image = np.where(head.brain, head.image, 0)
    np.testing.assert_array_equal(CHECK(data(image, head.affine, stripped=True))["image"][0].numpy(), image)


def test_gantry_tilt_is_measured_and_limited() -> None:
    head = ct_head(skew=np.tan(np.radians(20)))
    assert CHECK(data(head.image, head.affine))["checks"]["gantry_tilt"] == pytest.approx(20, abs=0.01)
    assert skew_degrees(head.affine) == pytest.approx(20, abs=1e-6)
    steep = ct_head(skew=1.0)
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: gantry tilted by 45\.0°; at most 35°"):
        CHECK(data(steep.image, steep.affine))


def test_the_head_rest_is_taken_away_and_the_head_stays(head: CtHead) -> None:
    before = head.image.copy()
    result = BED(data(head.image, head.affine))
    image = result["image"][0].numpy()
    assert (image[head.bed] == -1000).mean() > 0.9
    assert (image[head.brain | head.bone] == head.image[head.brain | head.bone]).all()
    assert result["checks"]["bed_ml"] == pytest.approx(head.bed.sum() * 18.75e-3, rel=0.2)
    np.testing.assert_array_equal(head.image, before)


def test_an_image_without_a_thick_part_is_refused(head: CtHead) -> None:
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: no head: nothing is thicker than 10\.0 mm"):
        BED(data(np.full_like(head.image, -1000), head.affine))


def test_window() -> None:
    hounsfield = np.array([-500, -20, 10, 40, 70, 99.999, 100, 3000], np.float32).reshape(2, 2, 2)
    content = data(hounsfield, np.eye(4)) | {"brain": MetaTensor(torch.ones(1, 2, 2, 2))}
    result = ScaleIntensityWindowd(level=40, width=120, floor=1e-3, clipped=0.5)(content)
    expected = [1e-3, 1e-3, 0.25, 0.5, 0.75, 1, 1, 1]
    np.testing.assert_allclose(result["image"].numpy().ravel(), expected, atol=1e-5)
    assert result["checks"] == {"clipped": 0.25, "floored": 0.25}
    with pytest.raises(
        PreprocessingError, match=r"scan\.nii\.gz: 0\.250 of the brain voxels are clipped, at 1; at most 0\.1"
    ):
        ScaleIntensityWindowd(level=40, width=120, floor=1e-3, clipped=0.1)(content)
