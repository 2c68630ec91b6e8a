"""Plots: lines that are the measured curves, chance, and one look a method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from pipeline.metrics import Counts, ScoreHistogram, confusion, load_thresholds
from pipeline.report import curves, load_results, ranking
from pipeline.report.plots import DARK, LIGHT, POINTS, thinned


def test_one_line_a_run_and_the_chance_line_at_the_lesion_share(runs: Path) -> None:
    ax = curves(runs).axes[0]
    lines = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(lines) == 6
    share = load_results(runs)["lesion_share"].mean()
    chance = [line for line in ax.lines if str(line.get_label()).startswith("chance")]
    np.testing.assert_allclose(chance[0].get_ydata(), share)


def test_markers_are_the_masks_at_the_saved_thresholds(runs: Path) -> None:
    folder = runs / "vae" / "seed-0"
    counts = ScoreHistogram.load(folder / "test.npz").pooled()
    ax = curves(runs).axes[0]
    points = {
        (float(x), float(y)) for x, y in (line.get_xydata()[0] for line in ax.lines if len(line.get_xdata()) == 1)
    }
    for threshold in load_thresholds(folder / "thresholds.json"):
        at = confusion(counts, threshold.value)
        assert (at.recall, at.precision) in points
    assert len(points) <= 4 * 5


def test_thinned_curve_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    bins = np.arange(5000) * 2
    counts = Counts(bins, rng.integers(0, 50, 5000), rng.integers(0, 5, 5000))
    recall, precision = thinned(counts)
    assert len(recall) <= POINTS
    assert recall[-1] == 1
    assert precision[-1] >= counts.n_positive / (counts.n_positive + counts.n_negative)
    assert np.all(np.diff(recall) > 0)


def test_scans_without_a_lesion_draw_no_curve() -> None:
    recall, precision = thinned(Counts(np.array([2, 4]), np.array([5, 5]), np.array([0, 0])))
    assert recall.size == precision.size == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_learned_method_has_one_colour_and_floors_share_grey(runs: Path, theme) -> None:
    ax = curves(runs, theme).axes[0]
    colours = {str(line.get_label()).split(" (")[0]: to_hex(line.get_color()) for line in ax.lines}
    assert colours["Intensity, floor"] == colours["Untrained AMCons, floor"] == theme.floor
    assert {colours["AMCons"], colours["VAE"]} <= set(theme.learned)
    assert colours["AMCons"] != colours["VAE"]


def test_ranking_shows_every_method_and_seed(runs: Path) -> None:
    results = load_results(runs)
    ax = ranking(results).axes[0]
    dots = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert sorted(dots) == pytest.approx(sorted(results["auprc"]))
    best = results.groupby("title")["auprc"].mean().idxmax()
    assert ax.get_yticklabels()[-1].get_text() == best
