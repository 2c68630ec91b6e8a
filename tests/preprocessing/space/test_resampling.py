"""One interpolation onto the atlas grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from synthetic_brain import ATLAS_AFFINE, ATLAS_SHAPE, LOAD, lesion_at, rigid

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan
from preprocessing.space.atlas import Atlas
from preprocessing.space.resampling import ResampleToAtlasd
from preprocessing.strippers import GivenMask, NoStripper
from preprocessing.strippers.skull_strip import SkullStripd

STRIP = SkullStripd(NoStripper(), GivenMask(), NoStripper(), (100, 3000), 0.5)
MOVE = rigid((12, -7, 9), (6, -4, 11))


def resampled(atlas: Atlas, scan: Scan, transform: np.ndarray, **changes: Any) -> dict[Any, Any]:
    data = STRIP(LOAD({"scan": scan}))
    for key, change in changes.items():
        data[key] = change(data[key])
    return ResampleToAtlasd(str(atlas.brain), order=1)({**data, "transform": transform})


def test_the_way_there_undoes_the_movement(coarse_atlas: Atlas, head: Callable[..., Scan]) -> None:
    still = resampled(coarse_atlas, head("sub-a", lesion=True, spacing=2), np.eye(4))
    moved = resampled(coarse_atlas, head("sub-b", lesion=True, spacing=2, move=MOVE), MOVE)
    brain = (still["brain"] > 0)[0].numpy()
    assert np.corrcoef(still["image"][0][brain], moved["image"][0][brain])[0, 1] > 0.999
    assert (still["brain"] != moved["brain"]).sum() < 0.01 * brain.sum()
    voxels = np.stack(np.meshgrid(*map(np.arange, ATLAS_SHAPE), indexing="ij"), axis=-1)
    truth = lesion_at(voxels @ ATLAS_AFFINE[:3, :3].T + ATLAS_AFFINE[:3, 3])
    found = moved["lesion"][0].numpy() > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    checks = moved["checks"]
    assert checks["lesion_ml"] == pytest.approx(checks["lesion_ml_native"], rel=0.1)


def test_a_constant_brain_stays_constant_up_to_its_edge(coarse_atlas: Atlas, head: Callable[..., Scan]) -> None:
    """Neither the background nor a bright skull leaks in, whatever its value."""

    def constant_with_surroundings(image: Any) -> Any:
        return image * 0 + 7 * (image > 0) + 900 * (image == 0)

    data = resampled(coarse_atlas, head(move=MOVE), MOVE, image=constant_with_surroundings)
    inside = data["brain"] > 0
    np.testing.assert_allclose(data["image"][inside].numpy(), 7, rtol=1e-5)
    assert (data["image"][~inside] == 0).all()


def test_a_label_that_would_vanish_is_refused(coarse_atlas: Atlas, head: Callable[..., Scan]) -> None:
    def one_voxel_outside_the_atlas(label: Any) -> Any:
        label = label * 0
        label[0, 0, 0, 0] = 1
        return label

    away = rigid((0, 0, 0), (60, 0, 0))
    with pytest.raises(
        PreprocessingError, match=r"label\.nii\.gz: the 1 voxels of label value 1 are lost on the atlas"
    ):
        resampled(coarse_atlas, head(lesion=True), away, lesion=one_voxel_outside_the_atlas)
