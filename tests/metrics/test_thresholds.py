from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from metric_samples import counted, sample
from sklearn.metrics import precision_recall_curve

from pipeline.errors import PipelineError
from pipeline.metrics import (
    Counts,
    ScoreHistogram,
    conformal,
    confusion,
    fixed,
    healthy_fpr,
    load_thresholds,
    merge,
    operating_point,
    oracle,
    percentile,
    save_thresholds,
)


def normals(n: int = 9, bits: int = 16, pixels: int = 400, voxel_ml: float | None = 0.1) -> ScoreHistogram:
    rng = np.random.default_rng(0)
    subjects = [rng.normal(size=pixels) + 0.3 * rng.normal() for _ in range(n)]
    return merge(*(counted(s, np.zeros(pixels), f"sub-{i}", bits, voxel_ml) for i, s in enumerate(subjects)))


def test_percentile_names_rule_source_and_subjects() -> None:
    data = normals()
    found = percentile(data, 97.5)
    assert (found.rule, found.n_subjects, found.support) == ("p97.5", 9, "brain")
    assert found.source == f"normals sha256:{data.digest()}"
    assert confusion(data.pooled(), found.value).fpr == pytest.approx(0.025, abs=0.002)


def test_a_percentile_of_the_frame_counts_the_background_as_zeros() -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=4000)) + 1e-3
    data = counted(scores, np.zeros(4000), "sub-0", 20)
    frame = np.concatenate([scores, np.zeros(6000)])
    for q in (70, 90, 99):
        assert percentile(data, q, frame_pixels=10_000).value == pytest.approx(np.percentile(frame, q), rel=5e-3)
    assert percentile(data, 90, frame_pixels=4000).value == percentile(data, 90).value
    with pytest.raises(PipelineError, match="percentile 60 of the frame is background: choose more than 60.0"):
        percentile(data, 60, frame_pixels=10_000)


def test_operating_point_and_oracle_are_the_best_f1() -> None:
    scores, lesion = sample("both signs")
    data = counted(scores, lesion)
    precision, recall, thresholds = precision_recall_curve(lesion, scores)
    best = 2 * precision * recall / (precision + recall + 1e-12)
    for found in (operating_point(data), oracle(data)):
        assert found.value == pytest.approx(thresholds[best[:-1].argmax()], rel=2e-3)
        assert confusion(data.pooled(), found.value).dice == pytest.approx(best.max(), abs=2e-3)


def test_fixed_is_the_next_edge() -> None:
    assert (fixed(0.5).rule, fixed(0.5).value) == ("0.5", 0.5)
    assert 0.1 <= fixed(0.1).value < 0.1001


def test_healthy_fpr_averages_over_scans() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=100) + 3, rng.normal(size=100_000)
    data = merge(counted(small, np.zeros(100), "small"), counted(large, np.zeros(100_000), "large"))
    found = healthy_fpr(data, 0.05)
    shares = [(part >= np.float32(found.value)).mean() for part in (small.astype("f4"), large.astype("f4"))]
    assert 0.045 < np.mean(shares) <= 0.05
    assert percentile(data, 95).value < found.value


def test_conformal_leaves_at_most_the_volume_in_the_normals_it_must() -> None:
    data = normals(19, bits=20)
    found = conformal(data, alpha=0.1, ml=2)
    volumes = [0.1 * confusion(data.scan(scan), found.value).fp for scan in data.scans]
    assert found.rule == "conformal(0.1, 2 mL)"
    # 20 · 0.9 = 18 of 19 must keep the volume.
    assert sum(volume > 2 + 1e-9 for volume in volumes) == 1


def test_conformal_counts_subjects_and_takes_the_worst_of_their_scans() -> None:
    data = normals(4)
    pairs = {"sub-0": "one", "sub-1": "one", "sub-2": "two", "sub-3": "two"}
    worst = max(conformal(data.select(group), 0.4, 2).value for group in (["sub-0", "sub-1"], ["sub-2", "sub-3"]))
    found = conformal(data, 0.4, 2, pairs)
    assert found.n_subjects == 2
    assert found.value == worst


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 9), (0.0, 9), (1.0, 9), (0.099, 9)])
def test_conformal_refuses_a_level_that_the_subjects_cannot_keep(alpha: float, n: int) -> None:
    with pytest.raises(PipelineError, match=rf"conformal' cannot keep alpha = {alpha:g} with {n} subjects; .* = 0.1 "):
        conformal(normals(n), alpha, 5)


def test_conformal_at_the_smallest_level_is_the_largest_threshold() -> None:
    data = normals(9)
    assert conformal(data, 0.1, 0).value > max(data.scan(scan).lower[-1] for scan in data.scans)


def test_conformal_needs_the_volume_of_a_voxel() -> None:
    with pytest.raises(PipelineError, match="needs voxel_ml, the volume of a voxel, of scan 'sub-0'"):
        conformal(normals(voxel_ml=None), 0.1, 5)


def cohort(rng: np.random.Generator, n: int, pixels: int = 60) -> ScoreHistogram:
    data = ScoreHistogram(bits=16)
    for subject in range(n):
        bins, counts = np.unique(rng.normal(3e4 + 300 * rng.normal(), 800, pixels).astype(int), return_counts=True)
        data.add(f"sub-{subject}", Counts(bins, counts, 0 * counts, 16), 0.5)
    return data


def test_conformal_holds_on_2000_cohorts() -> None:
    """A new healthy subject exceeds 2 mL in about alpha of the cohorts, and in no more than sampling error allows."""
    rng, n, alpha, cohorts = np.random.default_rng(0), 9, 0.2, 2000
    failed = 0
    for _ in range(cohorts):
        everyone = cohort(rng, n + 1)
        found = conformal(everyone.select(everyone.scans[:n]), alpha, ml=2)
        failed += 0.5 * confusion(everyone.scan(everyone.scans[n]), found.value).fp > 2
    error = 3 * np.sqrt(alpha * (1 - alpha) / cohorts)
    assert alpha - error < failed / cohorts < alpha + error


@pytest.mark.parametrize("rule", [lambda d: percentile(d, 95), healthy_fpr, lambda d: conformal(d, 0.5, 1)])
def test_normals_have_no_lesion(rule) -> None:
    with pytest.raises(PipelineError, match="scan 'a' has lesion pixels"):
        rule(counted(*sample("random"), voxel_ml=1.0))
    with pytest.raises(PipelineError, match="no normal scan"):
        rule(ScoreHistogram())


@pytest.mark.parametrize("rule", [operating_point, oracle])
def test_labelled_rules_need_a_lesion(rule) -> None:
    with pytest.raises(PipelineError, match="needs lesion pixels, and the 9 scans have none"):
        rule(normals())


@pytest.mark.parametrize(("rule", "value"), [(percentile, 100), (percentile, 0), (healthy_fpr, 0), (healthy_fpr, 1)])
def test_rules_refuse_impossible_parameters(rule, value: float) -> None:
    with pytest.raises(PipelineError, match="not available; choose a number between"):
        rule(normals(), value)


def test_thresholds_survive_their_file(tmp_path) -> None:
    data = normals(19)
    saved = [percentile(data, 95), conformal(data, 0.1, 2), fixed(0.1)]
    assert load_thresholds(save_thresholds(tmp_path / "thresholds.json", saved)) == saved
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["no json", '[{"rule": "p95"}]', '[{"name": 1}]', "3"])
def test_other_files_are_no_thresholds(tmp_path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(PipelineError, match=r"x.json is not a list of thresholds with rule, value"):
        load_thresholds(tmp_path / "x.json")


@pytest.mark.parametrize("digits", [30, 400])
def test_a_value_of_many_digits_is_a_float_or_refused(digits: int, tmp_path: Path) -> None:
    path = save_thresholds(tmp_path / "thresholds.json", [fixed(0.5)])
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([{**entries[0], "value": 10**digits}]))
    if digits == 30:
        assert isinstance(load_thresholds(path)[0].value, float)
        return
    with pytest.raises(PipelineError, match="value must be a finite number"):
        load_thresholds(path)
