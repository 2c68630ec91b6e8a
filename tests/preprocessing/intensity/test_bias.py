"""The bias field of N4: found, taken out of what the registration sees, and out of the image only where asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from numpy.testing import assert_allclose
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, CENTRE, brain_at

from preprocessing.config import load_config
from preprocessing.errors import PreprocessingError
from preprocessing.intensity.bias import CorrectBiasd
from preprocessing.intensity.contrast import flair_like, tissue_range

OPTIONS: dict[str, Any] = {"spacing_mm": 8.0, "knots_mm": 200.0, "iterations": [50, 50], "tolerance": 1e-3}


def correct(image: np.ndarray, brain: np.ndarray, affine: np.ndarray, **given: Any) -> dict[Any, Any]:
    scan = SimpleNamespace(image=Path("sub-a.nii.gz"), flair_like=given.pop("flair_like", False))
    tensors = {
        key: MetaTensor(torch.from_numpy(array.astype(np.float32))[None], affine=torch.from_numpy(affine))
        for key, array in (("image", image), ("brain", brain))
    }
    return CorrectBiasd(**{"stored": False, **OPTIONS, **given})({"scan": scan, **tensors})


@pytest.fixture(scope="module")
def biased() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Synthetic brain of two tissues, its mask, and the smooth field that it is multiplied by."""
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    points = voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3]
    image, brain = brain_at(points)
    field = np.exp(0.4 * np.sin((points - CENTRE) @ (0.3, 0.5, 0.8) / 60))
    return np.where(image > 45, 100.0, 60.0) * brain * field, brain, field


def test_field_is_found_and_the_image_stays(biased: tuple[np.ndarray, ...]) -> None:
    image, brain, field = biased
    data = correct(image, brain, ATLAS_AFFINE)
    assert_allclose(data["image"][0].numpy(), image, rtol=1e-6)
    found = np.log(image[brain] / data["corrected"][0].numpy()[brain])
    assert np.corrcoef(found, np.log(field[brain]))[0, 1] > 0.97
    assert abs(found.mean()) < 1e-4  # geometric mean 1: intensities keep their scale
    low, high = np.percentile(np.exp(found), (1, 99))
    assert data["checks"]["bias"] == pytest.approx(high / low, rel=1e-3)


@pytest.mark.parametrize("given", [{"stored": True}, {"flair_like": True}])
def test_image_is_corrected_where_asked(biased: tuple[np.ndarray, ...], given: dict[str, Any]) -> None:
    image, brain, _ = biased
    expected = correct(image, brain, ATLAS_AFFINE)["corrected"]
    data = correct(image, brain, ATLAS_AFFINE, **given)
    assert "corrected" not in data
    assert_allclose(data["image"].numpy(), expected.numpy())


def test_brain_without_bias_has_almost_no_field(biased: tuple[np.ndarray, ...]) -> None:
    image, brain, field = biased
    assert correct(image / field, brain, ATLAS_AFFINE)["checks"]["bias"] < 1.1
    assert correct(image, brain, ATLAS_AFFINE)["checks"]["bias"] > 1.5


def test_scale_of_the_image_and_values_below_zero(biased: tuple[np.ndarray, ...]) -> None:
    image, brain, _ = biased
    once = correct(image, brain, ATLAS_AFFINE)["corrected"].numpy()
    assert_allclose(correct(1000 * image, brain, ATLAS_AFFINE)["corrected"].numpy(), 1000 * once, rtol=1e-2)
    scores = np.where(brain, (image - image[brain].mean()) / image[brain].std(), -9)
    assert np.isfinite(correct(scores, brain, ATLAS_AFFINE)["corrected"].numpy()).all()


def test_agrees_with_the_filter_of_simpleitk(biased: tuple[np.ndarray, ...]) -> None:
    image, brain, _ = biased
    ours = np.log(image[brain] / correct(image, brain, ATLAS_AFFINE)["corrected"][0].numpy()[brain])
    volume, mask = (sitk.GetImageFromArray(array.astype(kind)) for array, kind in ((image, "f4"), (brain, "u1")))
    volume.SetSpacing((4.0, 4.0, 4.0))
    mask.CopyInformation(volume)
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50, 50])
    n4.Execute(sitk.Shrink(volume, [2] * 3), sitk.Shrink(mask, [2] * 3))
    theirs = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(volume))[brain]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


def test_failure_is_one_line(biased: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any, **options: Any) -> None:
        raise RuntimeError("itk::ERROR:\n  N4 gave up")

    monkeypatch.setattr(
        "preprocessing.intensity.bias.load_ants", lambda: SimpleNamespace(n4_bias_field_correction=fail)
    )
    with pytest.raises(PreprocessingError, match=r"sub-a\.nii\.gz: N4 failed \(itk::ERROR: N4 gave up\)"):
        correct(*biased[:2], ATLAS_AFFINE)


@pytest.mark.shared
def test_coil_of_real_t1_no_longer_darkens_the_top(shared_data: Path) -> None:
    """With base.yaml, white matter of the upper quarter of an IXI brain is white again, and its false CSF gone."""
    base = {key: value for key, value in load_config("base", {})["n4"].items() if key != "_target_"}
    head = shared_data / "ixi_2mm" / "IXI527-HH-2376_T1.nii.gz"
    file = nib.as_closest_canonical(nib.load(head))
    mask = nib.as_closest_canonical(nib.load(str(head).replace("_T1", "_DLMUSE")))
    image, brain = np.asarray(file.dataobj, np.float32), np.asarray(mask.dataobj) > 0
    corrected = correct(image, brain, file.affine, flair_like=True, **base)["image"][0].numpy()
    rows = np.flatnonzero(brain.any(axis=(0, 1)))
    top = brain & (np.arange(brain.shape[2]) > rows[-1] - len(rows) // 4)

    def white(values: np.ndarray) -> float:
        csf, white = tissue_range(values[brain])
        return float(np.percentile((values[top] - csf) / (white - csf), 90))

    def dark(values: np.ndarray) -> float:
        return float((flair_like(values, brain, 0)[top] < 0.2).mean())

    assert white(image) < 0.75 and 0.93 < white(corrected) < 1.1
    assert dark(corrected) < 0.7 * dark(image)
