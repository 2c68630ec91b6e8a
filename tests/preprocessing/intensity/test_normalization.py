"""Intensities inside the brain: laws that every method keeps, and each formula on its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensity, Transform

from preprocessing.cli.nyul import training_images
from preprocessing.config import build, load_config
from preprocessing.errors import PreprocessingError
from preprocessing.intensity.contrast import FlairLiked
from preprocessing.intensity.histogram import MatchHistogramd
from preprocessing.intensity.jpeg import CompressSlicesd
from preprocessing.intensity.normalization import NormalizeInBraind, ScaleIntensityByMaxd, ScaleIntensityRobustd
from preprocessing.intensity.nyul import NyulNormalized, fit_standard
from preprocessing.scan import Scan

RNG = np.random.default_rng(0)
IMAGE = RNG.gamma(9, 10, (1, 20, 20, 20)).astype(np.float32)
BRAIN = RNG.random((1, 20, 20, 20)) < 0.7
FLOOR = 1e-3
Method = Callable[..., Transform]


def apply(transform: Transform, image: np.ndarray) -> dict[Any, Any]:
    scan = Scan("sub-a", "sub-a", "FLAIR", Path("scan.nii.gz"), healthy=True)
    tensors = {key: MetaTensor(torch.from_numpy(np.asarray(value, np.float32))) for key, value in
               (("image", image), ("brain", BRAIN))}  # fmt: skip
    return transform({"scan": scan, **tensors})


def write_prepared(path: Path, seed: int, brightest: float = 0.9) -> Path:
    rng = np.random.default_rng(seed)
    array = rng.beta(4, 6, (16, 16, 16)) * brightest * (rng.random((16, 16, 16)) < 0.6)
    nib.Nifti1Image(array.astype(np.float32), np.eye(4)).to_filename(path)
    return path


def brain_of(path: Path) -> np.ndarray:
    array = nib.load(path).get_fdata(dtype=np.float32)
    return array[array > 0]


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write_prepared(tmp_path / "reference.nii.gz", 7)


@pytest.fixture
def standard(tmp_path: Path) -> Path:
    pytest.importorskip("intensity_normalization")  # needs Python 3.11
    fit_standard(
        [write_prepared(tmp_path / f"{seed}.nii.gz", seed, 0.3 * seed) for seed in (1, 2, 3)], tmp_path / "s.npy"
    )
    return tmp_path / "s.npy"


def robust(**settings: float) -> Transform:
    settings = {"low": 0.5, "high": 50, "high_value": 0.4, "floor": FLOOR, "clipped": 0.05, **settings}
    return ScaleIntensityRobustd(**settings)


@pytest.fixture(params=["robust", "max", "max in 256 levels", "z-score", "reference scan", "Nyúl"])
def method(request: pytest.FixtureRequest, reference: Path, standard: Path) -> Transform:
    return {
        "robust": robust(),
        "max": ScaleIntensityByMaxd(levels=None, floor=FLOOR, floored=0.1),
        "max in 256 levels": ScaleIntensityByMaxd(levels=256, floor=FLOOR, floored=0.1),
        "z-score": NormalizeInBraind(z_low=-4, z_high=6, floor=FLOOR, clipped=0.01),
        "reference scan": MatchHistogramd(str(reference), axial=None, floor=FLOOR),
        "Nyúl": NyulNormalized(str(standard), floor=FLOOR, clipped=0.02),
    }[request.param]


def test_brain_is_what_is_positive_and_at_most_one(method: Transform) -> None:
    data = apply(method, IMAGE)
    image = data["image"].numpy()
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image > 0, BRAIN)
    assert image.max() <= 1
    assert data["checks"]["clipped"] == pytest.approx((image[BRAIN] >= 1).mean(), abs=1e-5)
    assert data["checks"]["floored"] == pytest.approx((image[BRAIN] <= np.float32(FLOOR)).mean(), abs=1e-5)


def test_darker_stays_darker(method: Transform) -> None:
    order = np.argsort(IMAGE[BRAIN])
    assert (np.diff(apply(method, IMAGE)["image"].numpy()[BRAIN][order]) >= 0).all()


@pytest.mark.parametrize("gain", [0.001, 40.0])
def test_gain_of_the_scanner_does_not_matter(method: Transform, gain: float) -> None:
    one, other = apply(method, IMAGE)["image"].numpy(), apply(method, gain * IMAGE)["image"].numpy()
    np.testing.assert_allclose(one, other, atol=1 / 255 + 1e-6 if getattr(method, "levels", None) else 1e-4)


def test_offset_matters_to_the_maximum_only(method: Transform) -> None:
    one, other = apply(method, IMAGE)["image"].numpy(), apply(method, IMAGE + 30)["image"].numpy()
    assert (np.abs(one - other).max() < 1e-4) is not isinstance(method, ScaleIntensityByMaxd)


def test_what_is_outside_the_brain_does_not_matter(method: Transform) -> None:
    other = apply(method, np.where(BRAIN, IMAGE, 1e5))["image"].numpy()
    np.testing.assert_array_equal(apply(method, IMAGE)["image"].numpy(), other)


def test_robust_formula() -> None:
    low, high = np.percentile(IMAGE[BRAIN], (0.5, 50))
    expected = np.where(BRAIN, np.clip((IMAGE - low) / (high - low) * 0.4, FLOOR, 1), 0)
    np.testing.assert_allclose(apply(robust(), IMAGE)["image"].numpy(), expected, atol=1e-6)


def test_maximum_formula() -> None:
    scaled = IMAGE / IMAGE[BRAIN].max()
    found = apply(ScaleIntensityByMaxd(None, FLOOR, 0.1), IMAGE)["image"].numpy()[BRAIN]
    np.testing.assert_allclose(found, np.clip(scaled, FLOOR, 1)[BRAIN], atol=1e-6)
    picture = (255 * scaled).astype(np.uint8)
    found = apply(ScaleIntensityByMaxd(256, FLOOR, 0.1), IMAGE)["image"].numpy()[BRAIN]
    np.testing.assert_allclose(found, np.clip(picture / 255, FLOOR, 1)[BRAIN], atol=1e-6)


def test_z_score_is_that_of_monai_and_comes_back() -> None:
    inside = torch.from_numpy(np.where(BRAIN, IMAGE, 0))
    expected = NormalizeIntensity(nonzero=True)(inside).numpy()[BRAIN]
    found = 12 * apply(NormalizeInBraind(-3, 9, FLOOR, 0.02), IMAGE)["image"].numpy()[BRAIN] - 3
    np.testing.assert_allclose(found, np.clip(expected, -3 + 12 * FLOOR, 9), atol=1e-4)


def test_reference_scan_gives_its_histogram_as_simpleitk_matches_it(reference: Path) -> None:
    values = brain_of(reference)
    found = apply(MatchHistogramd(str(reference), None, FLOOR), IMAGE)["image"].numpy()[BRAIN]
    percentiles = np.arange(1, 100)
    np.testing.assert_allclose(np.percentile(found, percentiles), np.percentile(values, percentiles), atol=2e-3)
    source, target = (sitk.GetImageFromArray(v.astype(np.float64)[None, None]) for v in (IMAGE[BRAIN], values))
    matched = sitk.GetArrayFromImage(sitk.HistogramMatching(source, target, 1024, 200, False))[0, 0]
    np.testing.assert_allclose(found, matched, atol=0.02)


def test_slice_by_slice_every_slice_has_the_histogram_of_one(reference: Path) -> None:
    array = nib.load(reference).get_fdata()[:, :, 5]
    wanted = np.percentile(array[array > 0], range(5, 100, 5))
    found = apply(MatchHistogramd(str(reference), 5, FLOOR), IMAGE)["image"].numpy()[0]
    for z in range(20):
        np.testing.assert_allclose(np.percentile(found[..., z][BRAIN[0, ..., z]], range(5, 100, 5)), wanted, atol=0.02)
    for axial in (-1, 16):
        with pytest.raises(PreprocessingError, match=rf"reference\.nii\.gz: no brain in axial slice {axial} of 16"):
            apply(MatchHistogramd(str(reference), axial, FLOOR), IMAGE)


def test_nyul_is_piecewise_linear_between_the_landmarks(standard: Path) -> None:
    points = np.array([1, *range(10, 91, 10), 99])
    cohort = [brain_of(standard.with_name(f"{seed}.nii.gz")) for seed in (1, 2, 3)]
    landmarks = [np.percentile(values, points) for values in cohort]
    scale = np.mean([0.05 + 0.55 * (row - row[0]) / (row[-1] - row[0]) for row in landmarks], axis=0)
    np.testing.assert_allclose(np.load(standard), [scale, points], atol=1e-6)
    own = np.percentile(IMAGE[BRAIN], points)
    expected = np.interp(IMAGE[BRAIN], own, scale)
    between = (IMAGE[BRAIN] > own[0]) & (IMAGE[BRAIN] < own[-1])
    found = apply(NyulNormalized(str(standard), FLOOR, 0.02), IMAGE)["image"].numpy()[BRAIN]
    np.testing.assert_allclose(found[between], expected[between], atol=1e-5)
    assert found[IMAGE[BRAIN] > own[-1]].min() > scale[-1]


def test_normal_tissue_keeps_its_value_beside_a_large_bright_lesion() -> None:
    tissue = 100 + 10 * RNG.standard_normal(IMAGE.shape)
    lesion = np.zeros(IMAGE.shape, bool)
    lesion[:, :3] = True  # 15 % of the brain
    normal = BRAIN & ~lesion
    with_lesion = apply(robust(), np.where(lesion, 135, tissue))["image"].numpy()
    assert np.median(with_lesion[normal]) == pytest.approx(0.4, rel=0.1)
    by_percentile = robust(high=98, high_value=1, clipped=1)
    dark = apply(by_percentile, np.where(lesion, 135, tissue))["image"].numpy()
    assert np.median(dark[normal]) < 0.8 * np.median(apply(by_percentile, tissue)["image"].numpy()[normal])


@pytest.mark.parametrize(
    ("transform", "image", "message"),
    [
        (robust(), 0 * IMAGE + 3, r"percentiles 0\.5 and 50 of the brain are both 3"),
        (robust(high_value=1), IMAGE, r"0\.\d+ of the brain voxels are clipped, at 1; at most 0\.05"),
        (ScaleIntensityByMaxd(256, FLOOR, 0.1), -IMAGE, r"the largest value of the brain is -\d.*, not above 0"),
        (
            ScaleIntensityByMaxd(256, FLOOR, 0.1),
            IMAGE - 90,
            r"0\.\d+ of the brain voxels are floored, at 0\.001; at mo",
        ),
        (NormalizeInBraind(-3, 9, FLOOR, 0.02), 0 * IMAGE + 3, r"every brain voxel is 3; a z-score needs contrast"),
        (NormalizeInBraind(-1, 9, FLOOR, 0.02), IMAGE, r"0\.\d+ of the brain voxels are floored, at 0\.001; at most 0"),
    ],
)
def test_brains_without_contrast_and_too_much_clipping_are_refused(
    transform: Transform, image: np.ndarray, message: str
) -> None:
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: " + message):
        apply(transform, image)


def test_z_scores_need_a_range() -> None:
    with pytest.raises(PreprocessingError, match=r"z_low 3 must be below z_high 3"):
        NormalizeInBraind(3, 3, FLOOR, 0.02)


def test_equal_landmarks_are_refused(standard: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: percentiles 1 and 10 of the brain are both 0"):
        apply(NyulNormalized(str(standard), FLOOR, 0.02), np.where(IMAGE < 70, 0, IMAGE))


def test_references_that_are_none_are_refused(tmp_path: Path) -> None:
    raw = tmp_path / "raw.nii.gz"
    nib.Nifti1Image(50 * IMAGE[0], np.eye(4)).to_filename(raw)
    with pytest.raises(
        PreprocessingError, match=r"raw\.nii\.gz: values from \d.* to \d.*; a prepared scan has 0 outsi"
    ):
        apply(MatchHistogramd(str(raw), None, FLOOR), IMAGE)
    with pytest.raises(PreprocessingError, match=r"intensity: reference nothing\.nii\.gz: no such file; give the path"):
        MatchHistogramd("nothing.nii.gz", None, FLOOR)
    with pytest.raises(PreprocessingError, match=r"intensity: standard is not set; give the path of a file of `python"):
        NyulNormalized(None, FLOOR, 0.02)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content", [np.zeros((3, 2)), np.array([np.zeros(11), [1, *range(10, 91, 10), 99]]), np.array(["a"])]
)
def test_files_that_are_no_standard_histogram_are_refused(tmp_path: Path, content: np.ndarray) -> None:
    np.save(tmp_path / "bad.npy", content)
    with pytest.raises(PreprocessingError, match=r"bad\.npy: no standard histogram \("):
        apply(NyulNormalized(str(tmp_path / "bad.npy"), FLOOR, 0.02), IMAGE)


def test_cohorts_that_give_no_standard_histogram_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"no healthy training scan"):
        fit_standard([], tmp_path / "s.npy")
    with pytest.raises(PreprocessingError, match=r"s\.json: the name of a standard histogram ends in \.npy"):
        fit_standard([tmp_path], tmp_path / "s.json")
    clipped = tmp_path / "clipped.nii.gz"
    nib.Nifti1Image(np.clip(IMAGE[0] / 100, 0, 1) * BRAIN[0], np.eye(4)).to_filename(clipped)
    with pytest.raises(
        PreprocessingError, match=r"clipped\.nii\.gz: 0\.\d+ of the brain voxels are at 1; at most 0\.01"
    ):
        fit_standard([clipped], tmp_path / "s.npy")
    assert not (tmp_path / "s.npy").exists()
    with pytest.raises(PreprocessingError, match=r"dataset\.json: no such file; prepare the data set first"):
        training_images(tmp_path)


@pytest.mark.parametrize(
    ("name", "changed", "kinds"),
    [
        ("zscore", {"intensity"}, [NormalizeInBraind]),
        ("reference", {"intensity", "min_lesion_share"}, [ScaleIntensityByMaxd, CompressSlicesd]),
    ],
)
def test_presets_change_what_they_say(name: str, changed: set[str], kinds: list[type]) -> None:
    config, base = load_config(name, {}), load_config("base", {})
    assert {key for key in config if config[key] != base[key]} == changed
    intensity = build(config, "intensity")
    assert [type(step) for step in getattr(intensity, "transforms", [intensity])] == kinds


def test_flair_like_is_only_for_scans_that_ask_for_it() -> None:
    scan = Scan("sub-a", "sub-a", "T1", Path("scan.nii.gz"), healthy=True)
    data = {"scan": scan, "image": IMAGE}
    assert FlairLiked(seed=0)(data)["image"] is IMAGE
