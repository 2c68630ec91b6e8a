from __future__ import annotations

import numpy as np
import pytest
from metric_samples import counted
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline.errors import PipelineError
from pipeline.metrics import (
    ScoreHistogram,
    average_precision,
    fixed,
    interval,
    merge,
    paired_difference,
    replicate,
)

Maps = dict[str, tuple[np.ndarray, np.ndarray]]


def scans(n: int = 12, pixels: int = 2000, shift: float = 1.0, seed: int = 0) -> Maps:
    """Patients that differ in lesion size and contrast."""
    rng = np.random.default_rng(seed)
    maps: Maps = {}
    for i in range(n):
        lesion = rng.random(pixels) < rng.uniform(0.02, 0.2)
        maps[f"sub-{i:02}"] = (rng.normal(size=pixels) + rng.uniform(0.2, shift) * lesion).astype(np.float32), lesion
    return maps


def histogram(maps: Maps, bits: int = 20) -> ScoreHistogram:
    return merge(*(counted(*pixels, scan, bits) for scan, pixels in maps.items()))


def test_replicates_equal_scikit_learn_on_the_patients_drawn() -> None:
    maps = scans()
    found = replicate(histogram(maps), [fixed(1.0)], replicates=20, seed=3)
    draws = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), 20)
    for i, draw in enumerate(draws):
        scores, lesion = (
            np.concatenate([np.repeat(m[k], d) for m, d in zip(maps.values(), draw, strict=True)]) for k in (0, 1)
        )
        assert found["auprc"][i] == pytest.approx(average_precision_score(lesion, scores), abs=2e-4)
        assert found["auroc"][i] == pytest.approx(roc_auc_score(lesion, scores), abs=1e-4)
        of_scans = [average_precision_score(lesion, scores) for scores, lesion in maps.values()]
        assert found["scan_ap"][i] == pytest.approx(np.average(of_scans, weights=draw), abs=1e-4)
        mask = scores >= 1
        assert found["dice@1"][i] == pytest.approx(2 * (mask & lesion).sum() / (mask.sum() + lesion.sum()))
        assert found["dice@oracle"][i] >= found["dice@1"][i]


def test_joining_bins_moves_ap_by_less_than_1e_4() -> None:
    data = histogram(scans(pixels=30_000))
    everyone = replicate(data.select(["sub-00"]), replicates=1)
    assert everyone["auprc"][0] == pytest.approx(average_precision(data.scan("sub-00")).value, abs=1e-4)


def test_the_interval_covers_the_truth_of_the_population() -> None:
    """Intervals at 95 % from 30 patients hold the figure of all 400 in most of 40 samples."""
    everyone = histogram(scans(400, 300), bits=14)
    truth = average_precision(everyone.pooled()).value
    rng = np.random.default_rng(0)
    held = 0
    for i in range(40):
        patients = everyone.select(rng.choice(everyone.scans, 30, replace=False))
        low, high = interval(replicate(patients, replicates=200, seed=i)["auprc"])
        held += low <= truth <= high
    assert held >= 33


def test_scans_of_a_patient_are_drawn_together() -> None:
    maps = scans(6)
    twice = maps | {f"{scan}-again": pixels for scan, pixels in maps.items()}
    owner = {scan: scan.removesuffix("-again") for scan in twice}
    alone, paired = (replicate(histogram(m), replicates=50, subjects=s) for m, s in ((maps, None), (twice, owner)))
    assert paired["auprc"] == pytest.approx(alone["auprc"], abs=1e-4)


def test_replicates_without_a_class_are_left_out_of_the_interval() -> None:
    maps = scans(3)
    maps = {scan: (scores, lesion & (scan == "sub-00")) for scan, (scores, lesion) in maps.items()}
    found = replicate(histogram(maps), replicates=200)
    assert np.isnan(found["auprc"]).any()
    assert np.isfinite(interval(found["auprc"])).all()
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_a_difference_of_paired_maps_is_seen_where_intervals_overlap() -> None:
    maps = scans()
    better = {scan: (scores + np.float32(0.3) * lesion, lesion) for scan, (scores, lesion) in maps.items()}
    first, second = histogram(better), histogram(maps)
    found = paired_difference(first, second)
    exact = average_precision(first.pooled()).value - average_precision(second.pooled()).value
    assert found.value == pytest.approx(exact, abs=2e-4)
    assert 0 < found.lower < found.value < found.upper
    assert found.p_value < 0.01
    assert interval(replicate(first)["auprc"])[0] < interval(replicate(second)["auprc"])[1]
    back = paired_difference(second, first)
    assert (back.value, back.lower, back.upper) == pytest.approx((-found.value, -found.upper, -found.lower))


def test_no_difference_has_p_1() -> None:
    data = histogram(scans(4))
    assert paired_difference(data, data, "auroc", 100) == (0, 0, 0, 1)


def test_what_is_not_paired_is_refused() -> None:
    maps = scans(4)
    data = histogram(maps)
    with pytest.raises(PipelineError, match="needs the same scans; only one side has sub-00"):
        paired_difference(data, data.select(data.scans[1:]))
    other = histogram({scan: (scores, ~lesion) for scan, (scores, lesion) in maps.items()})
    with pytest.raises(PipelineError, match="needs the same pixels; scan 'sub-00' has"):
        paired_difference(data, other)
    with pytest.raises(PipelineError, match="unknown figure 'ap'; available: auprc, auroc, dice@oracle"):
        paired_difference(data, data, "ap", 10)


def test_the_mean_over_scans_leaves_healthy_ones_out_and_weighs_every_patient_the_same() -> None:
    maps = scans(6)
    maps["sub-05"] = (maps["sub-05"][0], np.zeros_like(maps["sub-05"][1]))
    large = {"sub-00": tuple(np.repeat(part, 50) for part in maps["sub-00"])}
    better = {scan: (scores + np.float32(0.5) * lesion, lesion) for scan, (scores, lesion) in (maps | large).items()}
    difference = paired_difference(histogram(better), histogram(maps | large), "scan_ap", replicates=200)
    each = [[average_precision_score(m[scan][1], m[scan][0]) for scan in list(maps)[:5]] for m in (better, maps)]
    assert difference.value == pytest.approx(np.mean(each[0]) - np.mean(each[1]), abs=1e-4)
    assert 0 < difference.lower <= difference.value <= difference.upper
