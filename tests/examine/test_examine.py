"""Tables by lesion, of false volume and under shift, against the tables of the evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from pipeline.examine import by_lesion, false_volumes, under_shift
from pipeline.examine.shifts import SHIFTS, TABLE
from pipeline.leaderboard import run_leaderboard
from pipeline.report import training_curves, training_scores


@pytest.fixture(scope="module")
def runs(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    run_leaderboard(["intensity", "normative_z"], tiny_dataset, folder)
    return folder


def scans(runs: Path, method: str = "intensity") -> pd.DataFrame:
    return pd.read_csv(runs / method / "seed-0" / "scans.csv", index_col="scan")


def test_groups_share_the_scans_out_and_have_the_means_of_their_scans(runs: Path) -> None:
    table, own = by_lesion(runs), scans(runs)
    ill = own[~own["healthy"]]
    for _, groups in table[table["method"] == "intensity"].groupby("by"):
        assert groups["scans"].sum() == len(ill)
        assert (groups["scan_ap"] * groups["scans"]).sum() / len(ill) == pytest.approx(ill["auprc"].mean())
    sizes = table[(table["by"] == "size, mL") & (table["method"] == "intensity")]
    assert sizes["to"].max() == pytest.approx(ill["lesion_ml"].max())
    assert (sizes["from"].to_numpy()[1:] >= sizes["to"].to_numpy()[:-1]).all(), "groups do not overlap"


def test_the_largest_lesions_are_in_the_last_group(runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    own = scans(copy)
    own["lesion_ml"] = np.where(own["healthy"], 0, np.arange(len(own), 0, -1))
    for method in ("intensity", "normative_z"):
        own.to_csv(copy / method / "seed-0" / "scans.csv")
    last = by_lesion(copy).query("group == 'large'").iloc[0]
    assert last["to"] == own["lesion_ml"].max()
    assert last["scan_ap"] == pytest.approx(own[own["lesion_ml"].between(last["from"], last["to"])]["auprc"].mean())


def test_a_bright_square_is_bright(runs: Path) -> None:
    table = by_lesion(runs)
    assert set(table.loc[table["by"] == "brightness, quartile ranges", "group"]) == {"bright"}


def test_false_volume_in_healthy_scans_is_that_of_the_evaluation(runs: Path) -> None:
    table, own = false_volumes(runs), scans(runs)
    healthy = own[own["healthy"]]
    for _, row in table[(table["method"] == "intensity") & (table["where"] == "healthy scans")].iterrows():
        assert row["mean_ml"] == pytest.approx(healthy[f"false_ml@{row['rule']}"].mean(), rel=1e-3)
        assert row["scans"] == len(healthy)
    rising = table[(table["method"] == "intensity") & table["rule"].isin(["p90", "p95", "p98"])]
    assert all(part["mean_ml"].is_monotonic_decreasing for _, part in rising.groupby("where"))


def test_without_a_change_the_figures_are_those_of_the_evaluation(runs: Path) -> None:
    table = under_shift(runs).set_index(["method", "shift"])
    rows = pd.read_csv(runs / "metrics.csv").set_index("method")
    for method in ("intensity", "normative_z"):
        for figure in ("auprc", "scan_ap"):
            assert table.loc[(method, "none"), figure] == pytest.approx(rows.loc[method, figure], abs=1e-6)
    of_intensity = table.loc["intensity", "scan_ap"]
    for gamma in ("gamma 0.8", "gamma 1.2"):  # keeps the order of the intensities of a scan
        assert of_intensity[gamma] == pytest.approx(of_intensity["none"], abs=2e-3)
    assert of_intensity["bias field ±20 %"] < of_intensity["none"]
    assert list(table.loc["intensity"].index) == list(SHIFTS)


def test_changes_leave_what_is_outside_the_brain() -> None:
    image = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    brain = image > 0.3
    for change in SHIFTS.values():
        changed = change(image * brain, brain)
        assert not changed[~brain].any() and changed.min() >= 0 and changed.max() <= 1


def test_figures_of_shifts_are_kept_until_the_run_is_evaluated_again(runs: Path) -> None:
    under_shift(runs, ["intensity"])
    path = runs / "intensity" / "seed-0" / TABLE
    path.write_text(path.read_text().replace("none", "kept"))
    assert "kept" in set(under_shift(runs, ["intensity"])["shift"])
    path.unlink()
    assert "kept" not in set(under_shift(runs, ["intensity"])["shift"])


def test_the_verb_writes_three_tables(runs: Path) -> None:
    shown = CliRunner().invoke(app, ["examine", str(runs), "--methods", "intensity"])
    assert shown.exit_code == 0, shown.output
    names = ("by_lesion.csv", "false_volume.csv", "shifts.csv")
    assert all(len(pd.read_csv(runs / name)) and name in shown.output.replace("\n", "") for name in names)
    values = pd.read_csv(runs / "shifts.csv")["scan_ap"]
    assert np.isfinite(values).all() and f"{values[0]:.3f}".rstrip("0") in shown.output


def test_what_is_missing_is_named(runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    (copy / "intensity" / "seed-0" / "recipe.json").unlink()
    (copy / "intensity" / "seed-0" / TABLE).unlink(missing_ok=True)
    with pytest.raises(PipelineError, match=r"has no recipe.json: `lesionless run DATASET` writes it"):
        under_shift(copy, ["intensity"])
    shutil.rmtree(copy / "reference")
    with pytest.raises(PipelineError, match="the stage evaluate writes it; evaluate the method again"):
        by_lesion(copy)


def test_the_stopping_rule_is_drawn_and_told(runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    scores = pd.DataFrame({"epoch": [1, 2, 3], "validation": [0.5, 0.7, 0.6], "held_out": [0.1, 0.3, 0.4]})
    scores.to_csv(copy / "intensity" / "seed-0" / "scores.csv", index=False)
    shown = CliRunner().invoke(app, ["examine", str(copy), "--no-shifts"])
    assert shown.exit_code == 0, shown.output
    stops = pd.read_csv(copy / "stopping.csv").iloc[0]
    assert (stops["rule_epoch"], stops["best_epoch"]) == (3, 2) and stops["lost"] == pytest.approx(0.1)
    assert stops["at_last"] == 0.6 and (copy / "training.png").stat().st_size > 5000
    panel = training_curves(training_scores(copy)).axes[0]
    lines = {str(line.get_label()): line.get_xydata().tolist() for line in panel.lines}
    assert lines["patients, validation"] == [[1, 0.5], [2, 0.7], [3, 0.6]]
    assert [3.0, 0.6] in [line.get_xydata()[0].tolist() for line in panel.lines if len(line.get_xdata()) == 1]
    assert training_scores(runs).empty and not (runs / "training.png").exists()
