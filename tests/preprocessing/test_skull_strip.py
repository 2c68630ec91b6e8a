"""One law suite for all skull strippers, and what each refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, brain_at

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.skull_strip import Deepbet, GivenMask, NoStripper, SkullStripd, SkullStripper


def synthetic(background: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    image, brain = brain_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])
    return np.where(brain, image, background).astype(np.float32), brain


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("background", [0.0, -5.25])
@pytest.mark.parametrize("stripper", [GivenMask(), NoStripper()])
def test_mask_laws(stripper: SkullStripper, background: float) -> None:
    image, brain = synthetic(background)
    before = image.copy()
    mask = stripper(image, ATLAS_AFFINE, brain)
    assert mask.dtype == bool
    assert mask.shape == image.shape
    assert dice(mask, brain) > 0.97
    assert ndimage.label(mask)[1] == 1
    np.testing.assert_array_equal(image, before)


def test_no_stripper_fills_dark_ventricles_and_drops_specks() -> None:
    image, brain = synthetic()
    image[28:32, 24:28, 17:20] = 0
    image[2, 2, 2] = 9
    assert dice(NoStripper()(image, ATLAS_AFFINE, None), brain) > 0.97


def test_no_stripper_refuses_a_head() -> None:
    image = np.random.default_rng(0).random(ATLAS_SHAPE).astype(np.float32)
    with pytest.raises(PreprocessingError, match=r"not skull-stripped: the background is not one constant \(corners: "):
        NoStripper()(image, ATLAS_AFFINE, None)


def test_given_mask_must_be_given() -> None:
    with pytest.raises(PreprocessingError, match=r"no brain mask is given"):
        GivenMask()(np.zeros(ATLAS_SHAPE), ATLAS_AFFINE, None)


@pytest.mark.slow
def test_deepbet_refuses_an_image_without_a_brain() -> None:
    image = np.zeros(ATLAS_SHAPE, np.float32)
    image[5, 5, 5] = 1
    with pytest.raises(PreprocessingError, match=r"deepbet finds no brain"):
        Deepbet()(image, ATLAS_AFFINE, None)


class Tool:
    """Returns what it is told to."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        return self.mask


def data(scan_fields: dict[str, Any] | None = None) -> dict[str, Any]:
    image, _ = synthetic()
    fields = {"id": "sub-a", "subject": "sub-a", "modality": "FLAIR", "image": "scan.nii.gz", "healthy": True}
    return {
        "scan": Scan(**{**fields, **(scan_fields or {})}),
        "image": MetaTensor(torch.from_numpy(image)[None], torch.from_numpy(ATLAS_AFFINE)),
        "brain": MetaTensor(torch.from_numpy(image)[None] > 0, torch.from_numpy(ATLAS_AFFINE)),
    }


def strip(mask: np.ndarray, **fields: Any) -> dict[Any, Any]:
    other = Tool(np.zeros_like(mask))
    roles = {"head": other, "given": other, "stripped": other, fields.pop("role", "head"): Tool(mask)}
    return SkullStripd(**roles, volume_ml=(700, 2200), component=0.95)(data(fields))


@pytest.mark.parametrize(
    ("role", "fields"), [("head", {}), ("stripped", {"stripped": True}), ("given", {"brain": "mask.nii.gz"})]
)
def test_what_is_known_of_the_scan_chooses_the_tool(role: str, fields: dict[str, Any]) -> None:
    _, brain = synthetic()
    result = strip(brain, role=role, **fields)
    np.testing.assert_array_equal(result["brain"][0].numpy() > 0, brain)
    assert result["checks"]["brain_ml"] == pytest.approx(brain.sum() * 0.064, abs=0.1)


def test_masks_outside_the_limits_are_refused() -> None:
    _, brain = synthetic()
    small = ndimage.binary_erosion(brain, iterations=5)
    with pytest.raises(
        PreprocessingError, match=r"scan\.nii\.gz: the brain mask has \d+ mL; it must have 700 to 2200 mL"
    ):
        strip(small)
    parts = brain.copy()
    parts[:, 24:27] = False
    with pytest.raises(PreprocessingError, match=r"the largest part of the brain mask is 0\.\d+ of it; at least 0\.95"):
        strip(parts)


def test_refusal_of_a_tool_names_the_file() -> None:
    tools = {"head": GivenMask(), "given": GivenMask(), "stripped": GivenMask()}
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: no brain mask is given"):
        SkullStripd(**tools, volume_ml=(0, 9e9), component=0)({k: v for k, v in data().items() if k != "brain"})
