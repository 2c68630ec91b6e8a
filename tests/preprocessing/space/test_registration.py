"""The affine to the atlas: found from any start, checked, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose
from synthetic_brain import CENTRE, LOAD, rigid

from preprocessing.config import build, load_config
from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.space.affine import best_start, mutual_information, similarity, working_copy
from preprocessing.space.atlas import Atlas
from preprocessing.space.geometry import write_transform
from preprocessing.space.grid import Volume, load_grid
from preprocessing.space.registration import RegisterToAtlasd
from preprocessing.strippers import GivenMask, NoStripper
from preprocessing.strippers.skull_strip import SkullStripd

STRIP = SkullStripd(NoStripper(), GivenMask(), NoStripper(), (100, 3000), 0.5)
PROBES = CENTRE + np.random.default_rng(0).uniform(-50, 50, (20, 3))


@pytest.fixture(scope="module")
def with_settings(coarse_atlas: Atlas, coarse_config: Path) -> Callable[..., RegisterToAtlasd]:
    def made(**settings: Any) -> RegisterToAtlasd:
        config = {**load_config(str(coarse_config), {}), "atlas": coarse_atlas.config}
        steps: Any = build({**config, "register": {**config["register"], **settings}}, "steps")
        return next(step for step in steps.transforms if isinstance(step, RegisterToAtlasd))

    return made


@pytest.fixture(scope="module")
def register(with_settings: Callable[..., RegisterToAtlasd]) -> RegisterToAtlasd:
    return with_settings()


def run(register: RegisterToAtlasd, scan: Scan) -> dict[Any, Any]:
    return register(STRIP(LOAD({"scan": scan})))


@pytest.mark.parametrize(
    ("degrees", "shift"), [((0, 0, 0), (0, 0, 0)), ((25, -20, 15), (40, -10, 5)), ((-10, 28, -28), (-5, 40, -40))]
)
def test_finds_a_moved_head(register: RegisterToAtlasd, head: Callable[..., Scan], degrees: Any, shift: Any) -> None:
    move = rigid(degrees, shift)
    found = run(register, head(move=move))
    points = np.c_[PROBES, np.ones(len(PROBES))]
    error = np.linalg.norm((points @ (found["transform"] - move).T)[:, :3], axis=1)
    assert error.max() < 2.5  # mm, on voxels of 4 mm
    assert found["checks"]["mask_dice"] > 0.97
    assert found["checks"]["partial"] == 0


def test_same_scan_gives_the_same_transform(register: RegisterToAtlasd, head: Callable[..., Scan]) -> None:
    scan = head(move=rigid((10, 5, -5), (8, 3, 2)))
    np.testing.assert_array_equal(run(register, scan)["transform"], run(register, scan)["transform"])


def test_a_body_of_another_shape_is_refused(register: RegisterToAtlasd, head: Callable[..., Scan]) -> None:
    squeeze = np.diag([0.6, 1.7, 0.6, 1.0])
    with pytest.raises(PreprocessingError, match=r"sub-a\.nii\.gz: registered to the atlas, .* needed are Dice 0\.9"):
        run(register, head(move=squeeze))


@pytest.mark.parametrize("codes", ["RPI", "LPS", "ASR"])
def test_a_wrong_orientation_code_is_refused_by_name(
    register: RegisterToAtlasd, head: Callable[..., Scan], codes: str
) -> None:
    """Voxels stored in the order `codes` under a header that says RAS; a swap of left and right alone passes."""
    scan = relabelled(head(codes=codes))
    with pytest.raises(PreprocessingError, match=r"sub-a\.nii\.gz: wrong orientation code, .* calls RAS look like"):
        run(register, scan)


def relabelled(scan: Scan) -> Scan:
    image = nib.load(scan.image)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    nib.Nifti1Image(np.asarray(image.dataobj), np.diag([*spacing, 1])).to_filename(scan.image)
    return scan


def test_what_has_no_anatomy_is_refused(
    with_settings: Callable[..., RegisterToAtlasd], head: Callable[..., Scan]
) -> None:
    """A phantom of noise in the shape of a brain: its outline fits, its inside does not."""
    scan = head(spacing=2.0)
    image = nib.load(scan.image)
    noise = np.random.default_rng(0).normal(100, 10, image.shape) * (np.asarray(image.dataobj) > 0)
    nib.Nifti1Image(noise.astype(np.float32), image.affine).to_filename(scan.image)
    register = with_settings(information=0.6)
    assert run(register, head("sub-b"))["checks"]["tissue_information"] > 0.5
    with pytest.raises(PreprocessingError, match=r"sub-a\.nii\.gz: not a brain: inside the mask, .* at least 0\.6"):
        run(register, scan)


def test_rigid_keeps_sizes(with_settings: Callable[..., RegisterToAtlasd], head: Callable[..., Scan]) -> None:
    transform = run(with_settings(kind="rigid"), head(move=rigid((10, -5, 5), (10, 5, 0))))["transform"]
    assert_allclose(transform[:3, :3] @ transform[:3, :3].T, np.eye(3), atol=1e-5)
    assert np.linalg.norm((np.r_[CENTRE, 1] @ (transform - rigid((10, -5, 5), (10, 5, 0))).T)[:3]) < 2.5


def test_unknown_kind_is_refused(with_settings: Callable[..., RegisterToAtlasd]) -> None:
    with pytest.raises(PreprocessingError, match="unknown kind of registration 'syn'; available: affine, rigid"):
        with_settings(kind="syn")


def test_corrected_image_is_what_is_registered(register: RegisterToAtlasd, head: Callable[..., Scan]) -> None:
    data = STRIP(LOAD({"scan": head(move=rigid((5, 0, 0), (4, 0, 0)))}))
    expected = register(data)["transform"]
    found = register({**data, "image": data["image"] * 0 + 1, "corrected": data["image"]})
    np.testing.assert_array_equal(found["transform"], expected)
    assert "corrected" not in found


def test_saved_transform_takes_a_mask_to_the_atlas_and_back(
    register: RegisterToAtlasd, head: Callable[..., Scan], coarse_atlas: Atlas, tmp_path: Path
) -> None:
    """By SimpleITK, from the file alone."""
    scan = head(move=rigid((12, -8, 10), (15, -10, 5)), lesion=True, spacing=2.0)
    write_transform(tmp_path / "xfm.mat", run(register, scan)["transform"], CENTRE)
    transform = sitk.ReadTransform(str(tmp_path / "xfm.mat"))
    label = sitk.ReadImage(str(scan.lesion), sitk.sitkFloat32) > 0
    fine = sitk.Image([240, 240, 156], sitk.sitkUInt8)
    fine.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    fine.SetOrigin((239, 0, 0))
    there = sitk.Resample(label, fine, transform, sitk.sitkNearestNeighbor)
    back = sitk.Resample(there, label, transform.GetInverse(), sitk.sitkNearestNeighbor)
    a, b = (sitk.GetArrayFromImage(image) > 0 for image in (label, back))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) >= 0.95


def cut_away(scan: Scan, share: float) -> None:
    image = nib.load(scan.image)
    array = np.asarray(image.dataobj).copy()
    rows = np.flatnonzero(array.any(axis=(0, 2)))
    array[:, : rows[0] + int(share * len(rows))] = 0
    nib.Nifti1Image(array, image.affine).to_filename(scan.image)


def test_a_part_of_a_brain_passes_and_half_of_one_does_not(
    register: RegisterToAtlasd, head: Callable[..., Scan]
) -> None:
    scan = head()
    cut_away(scan, 0.3)
    checks = run(register, scan)["checks"]
    assert checks["partial"] == 1
    assert checks["inside"] > 0.95
    scan = head()
    cut_away(scan, 0.55)
    with pytest.raises(PreprocessingError, match=r"for a part of a brain, 0\.6 of the atlas covered"):
        run(register, scan)


def test_mutual_information_laws() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((20, 20, 20)), rng.random((20, 20, 20))
    entropy = mutual_information(a, a)
    assert_allclose(mutual_information(a, 1 - a), entropy, atol=0.02)
    assert 0 <= mutual_information(a, b) < 0.15 * entropy
    assert_allclose(mutual_information(a, b), mutual_information(b, a), atol=1e-12)


def test_start_is_the_best_of_the_angles(coarse_atlas: Atlas, head: Callable[..., Scan]) -> None:
    atlas, mask = load_grid(coarse_atlas.brain), load_grid(coarse_atlas.mask)
    fixed = working_copy(atlas, mask, 8)
    data = STRIP(LOAD({"scan": head(move=rigid((30, 0, -30), (20, 0, 0)))}))
    moving = working_copy(Volume.of(data["image"]), Volume.of(data["brain"]), 8)
    start = best_start(fixed, moving, (-30, 0, 30))
    assert_allclose(start[:3, :3], rigid((30, 0, -30), (0, 0, 0))[:3, :3], atol=1e-9)
    assert similarity(fixed, moving, start) > similarity(fixed, moving, np.eye(4))
