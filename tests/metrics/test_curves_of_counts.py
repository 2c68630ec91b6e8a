from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_samples import MAPS, counted, sample
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from pipeline.metrics import (
    auprc_trapezoid,
    auroc,
    average_precision,
    best_dice,
    calibration_curve,
    confusion,
    curves,
    mask_overlap,
    overlap_share,
    pr_curve,
    snap,
)
from pipeline.metrics.percentiles import percentile

BITS = [12, 20]
KINDS = [(name, seed) for name in MAPS for seed in (0, 1)]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("name", "seed"), KINDS)
def test_bounds_hold_the_exact_figures(name: str, seed: int, bits: int) -> None:
    scores, lesion = sample(name, seed)
    counts = counted(scores, lesion, bits=bits).pooled()
    for found, exact in (
        (average_precision(counts), average_precision_score(lesion, scores)),
        (auroc(counts), roc_auc_score(lesion, scores.astype(np.float64))),
    ):
        assert found.lower <= exact <= found.upper
        assert found.lower <= found.value <= found.upper


@pytest.mark.parametrize("name", ["tied", "binary", "constant", "zeros of both signs"])
def test_ties_at_short_numbers_are_exact(name: str) -> None:
    scores, lesion = sample(name)
    counts = counted(scores, lesion).pooled()
    for found, exact in (
        (average_precision(counts), average_precision_score(lesion, scores)),
        (auroc(counts), roc_auc_score(lesion, scores)),
    ):
        assert found.value == pytest.approx(exact, abs=1e-12)
        assert found.upper - found.lower < 1e-11


@pytest.mark.parametrize("name", ["random", "negative", "both signs", "above one", "rectified"])
def test_bounds_are_narrow(name: str) -> None:
    counts = counted(*sample(name, pixels=200_000)).pooled()
    for found in (average_precision(counts), auroc(counts)):
        assert found.upper - found.lower < 6e-4


def test_more_bits_narrow_the_bounds() -> None:
    widths = [
        found.upper - found.lower
        for found in (average_precision(counted(*sample("above one"), bits=b).pooled()) for b in (12, 16, 20, 22))
    ]
    assert sorted(widths, reverse=True) == widths


def test_bounds_are_reached_by_the_worst_and_the_best_order() -> None:
    """Scores of a few wide bins, ordered inside each bin once for and once against the lesion."""
    rng = np.random.default_rng(0)
    bins, lesion = rng.integers(0, 40, 3000), rng.random(3000) < 0.3
    inside = rng.random(3000)
    for sign, bound in ((1, 2), (-1, 1)):
        ordered = 100.5 + bins + 0.4 * np.where(lesion == (sign > 0), 1 - 0.1 * inside, 0.1 * inside)
        # Best order: all lesions of a bin share one score.
        ordered = np.where(lesion & (sign > 0), 100.5 + bins + 0.4, ordered)
        found = average_precision(counted(ordered, lesion, bits=16).pooled())
        exact = average_precision_score(lesion, ordered.astype(np.float32))
        assert exact == pytest.approx(found[bound], abs=2e-5)


@pytest.mark.parametrize("transform", [np.cbrt, lambda x: 1 / (1 + np.exp(-x)), lambda x: 1000 * x + 7, np.exp])
def test_increasing_transforms_change_nothing_but_the_bounds(transform) -> None:
    scores, lesion = sample("both signs")
    transformed = transform(scores.astype(np.float64)).astype(np.float32)
    for figure in (average_precision, auroc):
        before, after = (figure(counted(values, lesion).pooled()) for values in (scores, transformed))
        assert max(before.lower, after.lower) <= min(before.upper, after.upper)


def test_one_class_only() -> None:
    scores, lesion = sample("random")
    normals, lesions = (counted(scores, np.full(len(lesion), value)).pooled() for value in (False, True))
    assert np.isnan(auroc(normals).value)
    assert np.isnan(average_precision(normals).value)
    assert np.isnan(best_dice(normals).dice)
    assert np.isnan(auprc_trapezoid(normals))
    assert np.isnan(auroc(lesions).value)
    assert average_precision(lesions).value == pytest.approx(1)
    assert best_dice(lesions).dice == 1
    assert np.isnan(overlap_share(lesions))


@pytest.mark.parametrize("name", [*MAPS])
def test_trapezoid_equals_scikit_learn_for_distinct_bins(name: str) -> None:
    scores, lesion = sample(name)
    edges = counted(scores, lesion).pooled()
    # Scores moved to the edge of their bin: what the histogram knows, and nothing else.
    snapped = edges.lower[np.searchsorted(edges.lower, scores, side="right") - 1]
    precision, recall, _ = precision_recall_curve(lesion, snapped)
    assert auprc_trapezoid(edges) == pytest.approx(auc(recall, precision), abs=1e-9)
    assert average_precision(edges).value == pytest.approx(average_precision_score(lesion, snapped), abs=1e-9)


def test_a_constant_map_scores_one_half_with_the_trapezoid_only() -> None:
    counts = counted(*sample("constant")).pooled()
    assert auprc_trapezoid(counts) == pytest.approx(0.5, abs=0.06)
    assert average_precision(counts).value == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("name", [*MAPS])
def test_best_dice_equals_a_search_over_the_maps(name: str) -> None:
    scores, lesion = sample(name)
    counts = counted(scores, lesion).pooled()
    found = best_dice(counts)
    dice = [2 * (lesion & (scores >= edge)).sum() / ((scores >= edge).sum() + lesion.sum()) for edge in counts.lower]
    assert found.dice == pytest.approx(max(dice))
    mask = confusion(counts, found.threshold)
    assert (mask.dice, mask.iou) == pytest.approx((found.dice, found.iou))


@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.1, 0.5, 1 / 3, 1.0, 100.0])
@pytest.mark.parametrize("name", [*MAPS])
def test_figures_at_a_threshold_equal_those_of_the_thresholded_maps(name: str, threshold: float) -> None:
    scores, lesion = sample(name)
    mask = scores >= np.float32(snap(threshold))
    expected = mask_overlap(torch.from_numpy(mask), torch.from_numpy(lesion))
    assert confusion(counted(scores, lesion).pooled(), threshold) == expected


def test_curves_pass_the_points_of_scikit_learn() -> None:
    scores, lesion = sample("tied")
    counts = counted(scores, lesion).pooled()
    precision, recall, thresholds = precision_recall_curve(lesion, scores)
    found = pr_curve(counts)
    assert found.threshold[::-1] == pytest.approx(thresholds)
    assert found.x[::-1] == pytest.approx(recall[:-1])
    assert found.y[::-1] == pytest.approx(precision[:-1])
    false, true, _ = roc_curve(lesion, scores, drop_intermediate=False)
    assert curves.roc_curve(counts).x == pytest.approx(false[1:])
    assert curves.roc_curve(counts).y == pytest.approx(true[1:])


@pytest.mark.parametrize("q", [1, 50, 90, 99.9])
@pytest.mark.parametrize("name", ["random", "negative", "both signs", "above one"])
def test_percentiles_are_within_a_bin_of_numpys(name: str, q: float) -> None:
    scores, lesion = sample(name)
    found = percentile(counted(scores, lesion).pooled(), q)
    # Between two neighbouring pixels any threshold is the percentile.
    below, above = (np.percentile(scores, q, method=method) for method in ("lower", "higher"))
    assert below - abs(below) * 2**-11 <= found <= above + abs(above) * 2**-11


@pytest.mark.parametrize("q", [10, 90, 95, 99.9])
@pytest.mark.parametrize("name", [*MAPS])
def test_a_percentile_never_lets_more_through_than_it_says(name: str, q: float) -> None:
    scores, lesion = sample(name)
    counts = counted(scores, lesion).pooled()
    assert (scores >= np.float32(percentile(counts, q))).mean() <= 1 - q / 100 + 1e-12


def test_percentile_of_ties_is_the_number_above_them() -> None:
    scores = np.r_[np.zeros(97), np.ones(3)]
    counts = counted(scores, np.zeros(100)).pooled()
    assert 0 < percentile(counts, 95) <= np.finfo(np.float32).tiny
    assert percentile(counts, 97) == percentile(counts, 95)
    assert percentile(counts, 98) == np.nextafter(np.float32(1), np.float32(2))


def test_overlap_share_of_separate_and_of_equal_classes() -> None:
    rng = np.random.default_rng(0)
    lesion = np.arange(40_000) % 2 == 0
    apart = np.where(lesion, 2, 1) + 0.1 * rng.random(len(lesion))
    assert overlap_share(counted(apart, lesion).pooled()) == 0
    assert overlap_share(counted(rng.random(len(lesion)), lesion).pooled()) == pytest.approx(1, abs=0.05)
    half = np.where(lesion, 0.5, 0) + rng.random(len(lesion))
    assert overlap_share(counted(half, lesion).pooled()) == pytest.approx(0.5, abs=0.03)


def test_calibration_keeps_its_promise_on_alike_normals_only() -> None:
    rng = np.random.default_rng(0)
    normals, alike, brighter = (
        counted(rng.normal(size=50_000) + shift, np.zeros(50_000)).pooled() for shift in (0, 0, 0.5)
    )
    promised, found = calibration_curve(normals, alike, [80, 90, 99])
    assert promised == pytest.approx([0.2, 0.1, 0.01])
    assert found == pytest.approx(promised, abs=0.01)
    assert (calibration_curve(normals, brighter, [80, 90, 99])[1] > 1.5 * promised).all()
