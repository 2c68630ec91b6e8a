from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from metric_samples import counted

from pipeline.errors import PipelineError
from pipeline.metrics import (
    ScoreHistogram,
    Threshold,
    fixed,
    mask_overlap,
    merge,
    paired_difference,
    percentile,
    scan_table,
    summarise,
)

PIXELS = 1000
VOXEL_ML = 0.02


def scan(seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    lesion = rng.random(PIXELS) < share
    return (rng.random(PIXELS) + 0.5 * lesion).astype(np.float32), lesion


SCANS = {"sub-a": scan(0, 0.1), "sub-b": scan(1, 0.3), "sub-healthy": scan(2, 0), "sub-quiet": scan(3, 0)}
SCANS["sub-quiet"] = SCANS["sub-quiet"][0] * 0.5, SCANS["sub-quiet"][1]


def cohort(names: tuple[str, ...] = tuple(SCANS)) -> ScoreHistogram:
    return merge(*(counted(*SCANS[name], name, voxel_ml=VOXEL_ML) for name in names))


def confusion_of(name: str, threshold: float):
    return mask_overlap(*(torch.from_numpy(part) for part in (SCANS[name][0] >= threshold, SCANS[name][1])))


def test_figures_at_a_threshold_are_pooled_and_over_scans() -> None:
    row = summarise(cohort(), [fixed(0.75)], replicates=50)
    masks = {name: confusion_of(name, 0.75) for name in SCANS}
    tp, fp, fn, tn = np.sum(list(masks.values()), 0)
    assert row["dice@0.75"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert row["iou@0.75"] == pytest.approx(tp / (tp + fp + fn))
    assert row["precision@0.75"] == pytest.approx(tp / (tp + fp))
    assert row["recall@0.75"] == pytest.approx(tp / (tp + fn))
    assert row["fpr@0.75"] == pytest.approx(fp / (fp + tn))
    dice = [mask.dice for mask in masks.values()]
    assert row["scan_dice@0.75"] == pytest.approx(np.mean(dice))
    assert row["scan_dice_sd@0.75"] == pytest.approx(np.std(dice, ddof=1))
    assert row["healthy_ml@0.75"] == pytest.approx(masks["sub-healthy"].fp * VOXEL_ML / 2)


def test_an_empty_mask_of_an_empty_label_is_dice_1_and_counted() -> None:
    row = summarise(cohort(), [fixed(0.75)], replicates=10)
    assert (row["n_scans"], row["n_empty_scans"], row["n_empty_both@0.75"]) == (4, 2, 1)
    rows = {scan["scan"]: scan for scan in scan_table(cohort(), [fixed(0.75)])}
    assert (rows["sub-quiet"]["dice@0.75"], rows["sub-healthy"]["dice@0.75"]) == (1, 0)
    assert rows["sub-a"]["lesion_ml"] == pytest.approx(SCANS["sub-a"][1].sum() * VOXEL_ML)


def test_the_oracle_is_always_there_and_is_the_best() -> None:
    row = summarise(cohort(), [fixed(0.75), fixed(1.0)], replicates=50)
    assert row["dice@oracle"] >= max(row["dice@0.75"], row["dice@1"])
    assert row["dice_ci_low@oracle"] <= row["dice@oracle"] <= row["dice_ci_high@oracle"]
    assert row["auprc_ci_low"] <= row["auprc_lower"] <= row["auprc"] <= row["auprc_upper"] <= row["auprc_ci_high"]


def test_one_class_only_is_said_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        row = summarise(cohort(("sub-healthy", "sub-quiet")), [fixed(0.75)], replicates=10)
    assert "auroc is undefined: 0 lesion, 2000 normal pixels" in caplog.text
    assert np.isnan([row["auroc"], row["auprc"], row["auprc_ci_low"], row["recall@0.75"]]).all()
    assert row["fpr@0.75"] > 0
    assert row["dice@0.75"] == 0
    assert "dice@oracle" not in row


def test_few_bins_are_said(caplog: pytest.LogCaptureFixture) -> None:
    scores, lesion = SCANS["sub-b"]
    with caplog.at_level(logging.WARNING):
        row = summarise(counted(1000 + 0.01 * scores, lesion), replicates=10)
    assert "auprc lies in" in caplog.text
    assert row["auprc_upper"] - row["auprc_lower"] > 0.1


def test_a_threshold_of_another_support_is_refused() -> None:
    framed = Threshold("p95", 0.5, "normals", 3, "frame")
    with pytest.raises(
        PipelineError, match="threshold 'p95' is of the support 'frame', the scans of 'brain'; .* --support \"frame\""
    ):
        summarise(cohort(), [framed], replicates=10)


def test_a_threshold_beside_the_edges_is_moved_to_the_next_and_reported() -> None:
    row = summarise(cohort(), [Threshold("p95", 0.7001)], replicates=10)
    moved = row["threshold@p95"]
    assert 0.7001 < moved < 0.701
    masks = [confusion_of(name, np.float32(moved)) for name in SCANS]
    tp, fp, fn, _ = np.sum(masks, 0)
    assert row["dice@p95"] == pytest.approx(2 * tp / (2 * tp + fp + fn))


def test_the_same_figures_for_the_same_seed() -> None:
    rule = percentile(cohort(("sub-healthy",)), 95)
    one, two = (summarise(cohort(), [rule], replicates=20, seed=1) for _ in range(2))
    assert one == pytest.approx(two, nan_ok=True)


def test_volumes_are_nan_without_a_voxel_volume() -> None:
    assert np.isnan(summarise(counted(*SCANS["sub-healthy"]), [fixed(0.5)], 5)["healthy_ml@0.5"])


@pytest.mark.parametrize("subjects", [None, {"sub-a": "P", "sub-b": "P"}])
def test_one_patient_has_no_interval(subjects: dict[str, str] | None) -> None:
    data = cohort(("sub-a",) if subjects is None else ("sub-a", "sub-b"))
    row = summarise(data, [fixed(0.75)], replicates=20, subjects=subjects)
    assert row["n_subjects"] == 1
    assert row["auprc"] > 0
    ends = [value for name, value in row.items() if "_ci_" in name]
    assert len(ends) == 10
    assert np.isnan(ends).all()
    assert np.isnan(paired_difference(data, data, "auprc", 20, subjects=subjects)[1:]).all()
    two = summarise(cohort(("sub-a", "sub-b")), [fixed(0.75)], replicates=20)
    assert two["auprc_ci_low"] < two["auprc_ci_high"]
