"""Verdict and drift keep the error rates that they state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.metrics import ScoreHistogram, conformal
from pipeline.predict.drift import drift
from pipeline.predict.normals import scan_name, subject_of
from pipeline.predict.verdict import ABNORMAL, NORMAL, REFER, conformal_rule, decide

VOXELS, VOXEL_ML = 200, 0.05


def histogram(rng: np.random.Generator, scans: int, kind: str = "normal", shift: float = 0.0) -> ScoreHistogram:
    """Scans whose scores have a level of their own."""
    found = ScoreHistogram(bits=12)
    for k in range(scans):
        scores = rng.gamma(2, 1, VOXELS) * np.exp(0.3 * rng.standard_normal()) + shift
        tensor = torch.from_numpy(scores.astype(np.float32))[None, None]
        found.update(tensor, None, None, [scan_name(kind, k, 1)], voxel_ml=VOXEL_ML)
    return found


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (14, 0.2)])
def test_healthy_scans_are_called_abnormal_at_most_at_the_promised_rate(n: int, alpha: float) -> None:
    rng, called, trials = np.random.default_rng(0), 0, 150
    for _ in range(trials):
        normals, scan = histogram(rng, n), histogram(rng, 1)
        rule = conformal(normals, alpha, 1.0)
        verdict = decide(scan, normals, None, rule)
        called += verdict.verdict == ABNORMAL
        volume = sum(scan.pooled().at_least(rule.value)) * VOXEL_ML
        assert (verdict.verdict == ABNORMAL) == (volume > 1.0 + 1e-9)  # the threshold and the verdict are one rule
    assert called / trials <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / trials)


def test_patients_are_called_normal_at_most_at_the_promised_rate() -> None:
    rng, alpha, trials = np.random.default_rng(1), 0.1, 100
    missed, normal = 0, 0
    for _ in range(trials):
        normals, patients = histogram(rng, 20), histogram(rng, 20, "patient", shift=8)
        rule = conformal(normals, alpha, 1.0)
        missed += decide(histogram(rng, 1, shift=8), normals, patients, rule).verdict == NORMAL
        normal += decide(histogram(rng, 1), normals, patients, rule).verdict == NORMAL
    assert missed / trials <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / trials)
    assert normal / trials > 0.5  # the promise is of use where the two are apart


def test_without_patients_nobody_is_called_normal() -> None:
    rng = np.random.default_rng(2)
    normals = histogram(rng, 20)
    rule = conformal(normals, 0.1, 1.0)
    verdict = decide(histogram(rng, 1, shift=-1.0), normals, None, rule)
    assert verdict.verdict == REFER
    assert "`normal` needs 9 labelled patients at error rate 0.1, the model has 0" in verdict.promise
    assert conformal_rule([rule]) is rule
    assert conformal_rule([]) is None


def test_scans_of_a_subject_count_once() -> None:
    rng = np.random.default_rng(3)
    normals = histogram(rng, 9)
    twice = ScoreHistogram(bits=12)
    for scan in normals.scans:
        for again in (1, 2):
            twice.add(f"{subject_of(scan)}_{again}", normals.scan(scan), VOXEL_ML)
    scan, rule = histogram(rng, 1), conformal(normals, 0.2, 1.0)
    assert decide(scan, twice, None, rule).p_healthy == decide(scan, normals, None, rule).p_healthy


def statistics(rng: np.random.Generator) -> dict[str, float]:
    level = rng.standard_normal()
    return {name: k * level + rng.standard_normal() for k, name in enumerate(("a", "b", "c", "d"))} | {"constant": 1.0}


@pytest.mark.parametrize("n", [4, 19, 50])
def test_normal_scans_are_flagged_at_most_at_the_stated_rate(n: int) -> None:
    rng, flagged, trials = np.random.default_rng(n), 0, 1500
    for _ in range(trials):
        rows = [statistics(rng) for _ in range(n)]
        found = drift(statistics(rng), {name: [row[name] for row in rows] for name in rows[0]})
        assert found is not None
        flagged += found.flagged
        rate = found.false_alarm_rate
    assert rate == max(0.05, 1 / (n + 1))
    assert flagged / trials <= rate + 3 * np.sqrt(rate * (1 - rate) / trials)


def test_another_kind_of_scan_is_flagged_and_named() -> None:
    rng = np.random.default_rng(0)
    rows = [statistics(rng) for _ in range(30)]
    normals = {name: [row[name] for row in rows] for name in rows[0]}
    found = drift({**statistics(rng), "b": 30.0}, normals)
    assert found is not None
    assert found.flagged
    assert found.oddest == "b is high"
    assert found.ranks["b"] == 1.0
    odd_constant = drift(
        {**{name: float(np.median(values)) for name, values in normals.items()}, "constant": 0.0}, normals
    )
    assert odd_constant is not None
    assert odd_constant.flagged
    assert odd_constant.oddest == "constant is low"


def test_too_few_normals_judge_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = [statistics(rng) for _ in range(3)]
    assert drift(statistics(rng), {name: [row[name] for row in rows] for name in rows[0]}) is None
