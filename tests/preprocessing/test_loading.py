"""Every file that cannot be used is refused by name, with the rule and the value."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.loading import LoadScand, load_volume
from preprocessing.scan import Scan

LOAD = LoadScand(max_spacing_mm=8, min_extent_mm=80, label_tolerance_mm=0.5)


def write(path: Path, array: np.ndarray, affine: np.ndarray | None = None, codes: tuple[int, int] = (1, 1)) -> Path:
    affine = np.diag([4.0, 4, 4, 1]) if affine is None else affine
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=codes[0])
    image.set_qform(affine, code=codes[1])
    image.to_filename(path)
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def with_nan() -> np.ndarray:
    array = noise(30, 30, 30)
    array[3, 4, 5] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "affine", "codes", "message"),
    [
        (noise(30, 30, 30, 2), None, (1, 1), r"shape \(30, 30, 30, 2\) is not one 3-D volume"),
        (noise(30, 30), None, (1, 1), r"shape \(30, 30\) is not one 3-D volume"),
        (with_nan(), None, (1, 1), r"1 voxels are NaN or infinite"),
        (np.zeros((30, 30, 30), np.float32), None, (1, 1), r"every voxel is 0; an image needs contrast"),
        (noise(30, 30, 30), None, (0, 0), r"no valid affine: sform_code and qform_code are both 0"),
        (noise(30, 30, 30), np.diag([9.0, 4, 4, 1]), (1, 1), r"voxels of 9.0 × 4.0 × 4.0 mm; the limit is 8 mm"),
        (noise(30, 30, 5), None, (1, 1), r"field of view 120.0 × 120.0 × 20.0 mm; a head needs 80 mm"),
    ],
)
def test_bad_image_is_refused_by_name(
    tmp_path: Path, array: np.ndarray, affine: np.ndarray | None, codes: tuple[int, int], message: str
) -> None:
    path = write(tmp_path / "scan.nii.gz", array, affine, codes)
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: " + message):
        LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", path, healthy=True)})


def test_singular_affine_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nii", noise(30, 30, 30))
    content = bytearray(path.read_bytes())
    content[280:296] = np.zeros(4, np.float32).tobytes()  # srow_x
    path.write_bytes(content)
    with pytest.raises(PreprocessingError, match=r"no valid affine: .* is singular or not finite"):
        load_volume(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def cut_inside(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))


def scribble(path: Path) -> None:
    path.write_text("no image")


@pytest.mark.parametrize("damage", [cut, cut_inside, scribble])
def test_damaged_file_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    damage(path)
    with pytest.raises(PreprocessingError, match=r"scan\.nii\.gz: unreadable or truncated \(\w+: "):
        load_volume(path)


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"nothing\.nii\.gz: no such file"):
        load_volume(tmp_path / "nothing.nii.gz")
    path = tmp_path / "scan.mgz"
    nib.MGHImage(noise(30, 30, 30), np.eye(4)).to_filename(path)
    with pytest.raises(PreprocessingError, match=r"scan\.mgz: MGHImage is not NIfTI"):
        load_volume(path)


def test_trailing_axis_of_one_volume_is_read(tmp_path: Path) -> None:
    array, _ = load_volume(write(tmp_path / "scan.nii.gz", noise(30, 30, 30, 1)))
    assert array.shape == (30, 30, 30)


@pytest.mark.parametrize("key", ["lesion", "brain"])
def test_label_of_another_geometry_is_refused(tmp_path: Path, key: str) -> None:
    image = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    scan = Scan("sub-a", "sub-a", "FLAIR", image, lesion=image)
    shape = write(tmp_path / "shape.nii.gz", noise(30, 30, 29))
    moved = write(
        tmp_path / "moved.nii.gz",
        noise(30, 30, 30),
        np.array([[4, 0, 0, 3], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]]),
    )
    with pytest.raises(
        PreprocessingError, match=r"shape\.nii\.gz: shape \(30, 30, 29\) is not the shape \(30, 30, 30\)"
    ):
        LOAD({"scan": replace(scan, **{key: shape})})
    with pytest.raises(PreprocessingError, match=r"moved\.nii\.gz: its affine is 3\.0 mm away .* at most 0\.5 mm"):
        LOAD({"scan": replace(scan, **{key: moved})})


def test_masks_become_zero_and_one_and_labels_keep_their_values(tmp_path: Path) -> None:
    image = write(tmp_path / "scan.nii.gz", noise(30, 30, 30))
    classes = np.random.default_rng(1).integers(0, 5, (30, 30, 30)).astype(np.uint8)
    label = write(tmp_path / "label.nii.gz", classes)
    data = LOAD({"scan": Scan("sub-a", "sub-a", "FLAIR", image, lesion=label, brain=label)})
    np.testing.assert_array_equal(data["brain"][0].numpy(), classes > 0)
    np.testing.assert_array_equal(data["lesion"][0].numpy(), classes)
