"""The affine to the atlas: found from any start, checked, and refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from synthetic_brain import CENTRE, LOAD, rigid

from preprocessing.affine import best_start, mutual_information, similarity, working_copy
from preprocessing.atlas import Atlas
from preprocessing.config import build, load_config
from preprocessing.errors import PreprocessingError
from preprocessing.grid import Volume, load_grid
from preprocessing.registration import RegisterToAtlasd
from preprocessing.scan import Scan
from preprocessing.skull_strip import SkullStripd
from preprocessing.strippers import GivenMask, NoStripper

STRIP = SkullStripd(NoStripper(), GivenMask(), NoStripper(), (100, 3000), 0.5)
PROBES = CENTRE + np.random.default_rng(0).uniform(-50, 50, (20, 3))


@pytest.fixture(scope="module")
def register(coarse_atlas: Atlas, coarse_config: Path) -> RegisterToAtlasd:
    atlas = {"brain": str(coarse_atlas.brain), "mask": str(coarse_atlas.mask)}
    steps: Any = build({**load_config(str(coarse_config), {}), "atlas": atlas}, "steps")
    return next(step for step in steps.transforms if isinstance(step, RegisterToAtlasd))


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
    squeeze = np.diag([1.9, 0.5, 0.5, 1.0])
    with pytest.raises(PreprocessingError, match=r"sub-a\.nii\.gz: registered to the atlas, .* needed are Dice 0\.9"):
        run(register, head(move=squeeze))


def cut_away(scan: Scan, share: float) -> None:
    import nibabel as nib

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
