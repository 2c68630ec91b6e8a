"""From the grid of the network to the scan's own grid, and the lesions there."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pipeline.predict.lesions import find_lesions, largest_ml, p_value
from pipeline.predict.native import Grid, NativeScores, to_scan
from pipeline.predict.volume import ScoredVolume


def matrix(degrees: tuple[float, float, float], scale: float, shift: tuple[float, float, float]) -> np.ndarray:
    found = np.eye(4)
    found[:3, :3] = scale * Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    found[:3, 3] = shift
    return found


NETWORK = np.diag([3.0, 3.0, 3.0, 1.0]) + np.pad([[-90.0], [-110.0], [-70.0], [0.0]], ((0, 0), (3, 0)))
TRANSFORM = matrix((6, -9, 14), 1.06, (4, -7, 11))
OBLIQUE = matrix((5, 8, -12), 1.0, (-100, -110, -66)) @ np.diag([0.9, 0.9, 4.0, 1.0])


def smooth(points: np.ndarray) -> np.ndarray:
    return 3 + np.sin(points[..., 0] / 17) * np.cos(points[..., 1] / 23) + points[..., 2] / 90


def points_of(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return voxels @ affine[:3, :3].T + affine[:3, 3]


def volume_of(function, radii: tuple[float, float, float] = (70, 85, 55)) -> ScoredVolume:
    """A map in an ellipsoid on the grid of the network."""
    points = points_of((60, 72, 48), NETWORK)
    brain = ((points / radii) ** 2).sum(axis=-1) < 1
    support = ndimage.binary_erosion(brain)
    return ScoredVolume((function(points) * brain).astype(np.float32), brain, support, NETWORK)


def test_a_smooth_map_comes_back_where_it_was() -> None:
    volume, grid = volume_of(smooth), Grid((210, 240, 40), OBLIQUE)
    native = to_scan(volume, grid, TRANSFORM)
    atlas = points_of(grid.shape, np.linalg.inv(TRANSFORM) @ grid.affine)
    inside = native.scores > 0
    assert np.corrcoef(native.scores[inside], smooth(atlas)[inside])[0, 1] > 0.99
    np.testing.assert_allclose(native.scores[inside], smooth(atlas)[inside], atol=0.1)  # the rim is not darkened
    volume_ml = np.count_nonzero(inside) * grid.voxel_ml / abs(np.linalg.det(TRANSFORM[:3, :3]))
    assert volume_ml == pytest.approx(np.count_nonzero(volume.brain) * volume.voxel_ml, rel=0.01)
    assert not (native.support & ~inside).any()


def test_the_box_leaves_nothing_out() -> None:
    volume, grid = volume_of(smooth), Grid((210, 240, 40), OBLIQUE)
    native = to_scan(volume, grid, TRANSFORM)
    whole = np.linalg.inv(volume.affine) @ np.linalg.inv(TRANSFORM) @ grid.affine
    weight, total = (
        ndimage.affine_transform(part.astype(np.float32), whole, output_shape=grid.shape, order=1)
        for part in (volume.brain, volume.scores * volume.brain)
    )
    expected = np.divide(total, weight, out=np.zeros_like(total), where=weight >= 0.5)
    np.testing.assert_allclose(native.scores, expected, atol=1e-4)


@pytest.mark.parametrize("affine", [OBLIQUE, OBLIQUE @ np.diag([-1.0, 1, 1, 1]), np.diag([2.0, 2.0, 2.0, 1])])
def test_a_ball_is_found_where_it_is_with_its_volume(affine: np.ndarray) -> None:
    centre, radius = np.array([20.0, -15.0, 6.0]), 12.0

    def ball(points: np.ndarray) -> np.ndarray:  # falls through ½ at the radius
        return 1 / (1 + np.exp(np.linalg.norm(points - centre, axis=-1) - radius)) + 1e-3

    affine = affine.copy()
    affine[:3, 3] = TRANSFORM[:3, :3] @ centre + TRANSFORM[:3, 3] - affine[:3, :3] @ [60, 60, 25]
    grid = Grid((120, 120, 50), affine)
    mask, lesions = find_lesions(to_scan(volume_of(ball), grid, TRANSFORM), 0.5, 0.05, [0.5, 100.0])
    (lesion,) = lesions
    there = TRANSFORM[:3, :3] @ centre + TRANSFORM[:3, 3]
    assert np.linalg.norm(np.array([lesion.x_mm, lesion.y_mm, lesion.z_mm]) - there) < 1
    assert np.linalg.norm(np.array([lesion.atlas_x_mm, lesion.atlas_y_mm, lesion.atlas_z_mm]) - centre) < 1
    assert lesion.volume_mm3 == pytest.approx(4 / 3 * np.pi * radius**3 * 1.06**3, rel=0.1)
    assert lesion.volume_mm3 == pytest.approx(mask.sum() * grid.voxel_ml * 1000, abs=0.01)
    assert (lesion.id, lesion.touches_rim) == (1, False)
    assert lesion.p_value == pytest.approx(2 / 3)  # one of two normals has a larger one


def native_of(scores: np.ndarray, support: np.ndarray | None = None) -> NativeScores:
    inside = np.ones(scores.shape, bool) if support is None else support
    return NativeScores(scores.astype(np.float32), inside, Grid(scores.shape, np.eye(4)), np.eye(4))


def test_parts_touch_by_corners_small_ones_get_no_row_and_the_largest_is_first() -> None:
    scores = np.zeros((20, 20, 20))
    scores[2:4, 2:4, 2:4] = scores[4:7, 4:7, 4:7] = 1  # one lesion of 8 + 27 voxels that touch by a corner
    scores[12:16, 12:16, 12:16] = 2
    scores[10, 2, 2] = 3
    mask, lesions = find_lesions(native_of(scores), 1.0, 0.002, [])
    assert [lesion.volume_mm3 for lesion in lesions] == [64, 35]
    assert [(lesion.id, lesion.peak) for lesion in lesions] == [(1, 2), (2, 1)]
    assert mask.sum() == 8 + 27 + 64 + 1
    assert largest_ml(mask, 0.001) == 0.064


@pytest.mark.parametrize(("corner", "touches"), [((2, 2, 2), False), ((1, 4, 4), True), ((4, 4, 7), True)])
def test_a_lesion_touches_the_rim_where_a_neighbour_is_outside(corner: tuple[int, ...], touches: bool) -> None:
    support = np.zeros((11, 11, 11), bool)
    support[1:10, 1:10, 1:10] = True
    scores = np.zeros(support.shape)
    scores[tuple(slice(start, start + 3) for start in corner)] = 1
    (lesion,) = find_lesions(native_of(scores, support), 0.5, 0.0, [])[1]
    assert lesion.touches_rim is touches


def test_nothing_above_the_threshold_is_no_lesion() -> None:
    mask, lesions = find_lesions(native_of(np.zeros((5, 5, 5))), 0.5, 0.05, [1.0])
    assert not mask.any()
    assert lesions == []
    assert largest_ml(mask, 1.0) == 0
    assert p_value(0.0, []) == 1
