from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from pipeline.metrics import (
    Confusion,
    lesion_counts,
    mask_figures,
    mask_overlap,
    reconstruction_error,
    surface_distance,
)

SPACING = (2.0, 1.0, 0.5)


def boxes(*corners: tuple[int, ...], shape: tuple[int, ...] = (20, 20, 12)) -> np.ndarray:
    """Cubes of 3 voxels a side."""
    mask = np.zeros(shape, bool)
    for corner in corners:
        mask[tuple(slice(start, start + 3) for start in corner)] = True
    return mask


# tp, fp, fn, tn -> dice, iou, precision, recall, fpr
SHARES = [
    [(2, 1, 1, 6), (2 / 3, 1 / 2, 2 / 3, 2 / 3, 1 / 7)],
    [(0, 0, 0, 5), (1, 1, np.nan, np.nan, 0)],
    [(0, 3, 0, 5), (0, 0, 0, np.nan, 3 / 8)],
    [(0, 0, 3, 5), (0, 0, np.nan, 0, 0)],
    [(4, 0, 0, 0), (1, 1, 1, 1, np.nan)],
]


@pytest.mark.parametrize(("counts", "shares"), SHARES)
def test_shares_of_a_confusion(counts: tuple[int, ...], shares: tuple[float, ...]) -> None:
    found = Confusion(*counts)
    assert (found.dice, found.iou, found.precision, found.recall, found.fpr) == pytest.approx(shares, nan_ok=True)


def test_overlap_looks_at_the_support_only() -> None:
    mask, lesion, support = (torch.from_numpy(np.random.default_rng(i).random((4, 5)) < 0.5) for i in range(3))
    inside = mask_overlap(mask[support], lesion[support])
    assert mask_overlap(mask, lesion, support) == inside
    assert sum(inside) == int(support.sum())


def test_surface_distance_is_in_mm() -> None:
    one, two = boxes((4, 4, 4)), boxes((9, 4, 4))
    points = [np.argwhere(box) * SPACING for box in (one, two)]
    distance = cdist(*points)
    found = surface_distance(torch.from_numpy(one), torch.from_numpy(two), SPACING)
    assert found.hd == pytest.approx(max(distance.min(0).max(), distance.min(1).max())) == 10
    assert found.hd95 <= found.hd


def test_surface_distance_of_an_empty_mask_is_undefined() -> None:
    full, empty = (torch.from_numpy(mask) for mask in (boxes((1, 1, 1)), boxes()))
    for pair in ((full, empty), (empty, full), (empty, empty)):
        assert np.isnan(surface_distance(*pair, SPACING)).all()


def test_lesions_are_counted_as_objects() -> None:
    lesion = boxes((1, 1, 1), (1, 10, 1), (14, 1, 1))
    mask = boxes((3, 3, 3), (1, 11, 2), (10, 14, 8))
    found = lesion_counts(mask, lesion, SPACING)
    assert (found.lesions, found.found, found.objects, found.false) == (3, 2, 3, 1)
    assert found.false_ml == pytest.approx(27 / 1000)
    assert (found.recall, found.precision, found.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_voxels_that_meet_at_a_corner_are_one_lesion() -> None:
    assert lesion_counts(boxes(), boxes((1, 1, 1), (4, 4, 4)), SPACING).lesions == 1
    assert lesion_counts(np.eye(4, dtype=bool), np.eye(4, dtype=bool), (1, 1)).lesions == 1


def test_small_objects_do_not_count_and_small_lesions_need_not_be_found() -> None:
    lesion, mask = boxes((1, 1, 1)), boxes((10, 10, 1))
    lesion[18, 18, 10] = mask[18, 18, 10] = mask[5, 15, 5] = True
    found = lesion_counts(mask, lesion, SPACING, min_ml=0.01)
    assert (found.lesions, found.found, found.objects, found.false) == (1, 0, 1, 1)
    touching = lesion_counts(boxes((17, 17, 9)), lesion, SPACING, min_ml=0.01)
    assert (touching.objects, touching.false) == (1, 0)


def test_no_lesion_and_no_object() -> None:
    nothing = lesion_counts(boxes(), boxes(), SPACING)
    assert np.isnan([nothing.recall, nothing.precision, nothing.f1]).all()
    assert lesion_counts(boxes((1, 1, 1)), boxes(), SPACING).f1 == 0
    assert lesion_counts(boxes(), boxes((1, 1, 1)), SPACING).f1 == 0
    assert lesion_counts(boxes((9, 9, 9)), boxes((1, 1, 1)), SPACING).f1 == 0


def test_figures_of_a_mask_are_those_of_its_parts() -> None:
    mask, lesion = boxes((2, 1, 1), (10, 10, 1)), boxes((1, 1, 1))
    found = mask_figures(mask, lesion, SPACING)
    distance = surface_distance(torch.from_numpy(mask), torch.from_numpy(lesion), SPACING)
    assert (found["hd"], found["hd95"]) == distance
    assert (found["lesion_recall"], found["false_lesions"]) == (1, 1)
    assert found["lesion_f1"] == pytest.approx(2 / 3)


def structural_similarity(one: np.ndarray, two: np.ndarray) -> float:
    """Wang 2004, Eq. 13, with a Gaussian window of 11 px and sigma 1.5, where the window fits."""

    def mean(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, 1.5, radius=5)[5:-5, 5:-5]

    m1, m2 = mean(one), mean(two)
    v1, v2, cov = mean(one**2) - m1**2, mean(two**2) - m2**2, mean(one * two) - m1 * m2
    c1, c2 = 0.01**2, 0.03**2
    return float(((2 * m1 * m2 + c1) * (2 * cov + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))).mean())


def test_reconstruction_agrees_with_the_formulas() -> None:
    image, noise = torch.rand((2, 3, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    output = (image + 0.1 * noise).clamp(0, 1)
    found = reconstruction_error(output, image)
    for i in range(3):
        expected = structural_similarity(output[i, 0].double().numpy(), image[i, 0].double().numpy())
        assert float(found.ssim[i]) == pytest.approx(expected, abs=1e-4)
        assert float(found.l1[i]) == pytest.approx(float((output[i] - image[i]).abs().mean()))


def test_l1_looks_at_the_support_only() -> None:
    image = torch.zeros((2, 1, 16, 16))
    output = image.clone()
    output[:, :, 8:] = 0.5
    support = torch.zeros_like(image)
    support[0, :, 6:10] = 1
    assert reconstruction_error(output, image, support).l1[0] == 0.25
    assert reconstruction_error(output, image, support).l1[1].isnan()
    assert reconstruction_error(image, image).ssim.tolist() == pytest.approx([1, 1])
