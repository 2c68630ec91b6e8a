"""Reading results: one row a run, of one protocol, with text kept as text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.metrics import load_thresholds
from pipeline.report import load_results, load_scans, protocols, table, thresholds
from pipeline.report.results import find_runs


def edit(path: Path, **values: object) -> None:
    """Change columns of a table on disk."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.assign(**{name: str(value) for name, value in values.items()}).to_csv(path, index=False)


def test_every_method_and_seed_is_one_row(runs: Path) -> None:
    results = load_results(runs)
    assert sorted(zip(results["method"], results["seed"], strict=True)) == [
        (run.method, run.seed) for run in find_runs(runs)
    ]
    assert set(results.loc[results["floor"], "method"]) == {"intensity", "histeq", "untrained_amcons"}


def test_hashes_stay_text_and_figures_are_numbers(runs: Path) -> None:
    row = load_results(runs).iloc[0]
    assert (row["card_dataset_hash"], row["card_split_hash"]) == ("12e4567890abcdef", "0000012345")
    assert bool(row["card_simulated"]) is True
    assert 0 < row["auprc"] <= 1


def test_differences_to_the_floor_come_from_the_table_of_all_runs(runs: Path) -> None:
    results = load_results(runs)
    assert results["ap_minus_floor"].notna().tolist() == (~results["floor"]).tolist()


def test_a_row_evaluated_again_has_no_old_difference(own_runs: Path) -> None:
    edit(own_runs / "vae" / "seed-0" / "metrics.csv", auprc=0.123)
    results = load_results(own_runs).set_index(["method", "seed"])["ap_minus_floor"]
    assert pd.isna(results["vae", 0])
    assert pd.notna(results["amcons", 1])


def test_results_without_the_table_of_all_runs_or_a_card(own_runs: Path) -> None:
    (own_runs / "metrics.csv").unlink()
    for run in find_runs(own_runs):
        frame = pd.read_csv(run.folder / "metrics.csv")
        frame[[name for name in frame.columns if not name.startswith("card_")]].to_csv(
            run.folder / "metrics.csv", index=False
        )
    results = load_results(own_runs)
    assert "ap_minus_floor" not in results.columns
    assert len(table(results)) == 5


def test_mixed_protocols_are_refused_by_column_and_value(own_runs: Path) -> None:
    edit(own_runs / "vae" / "seed-0" / "metrics.csv", card_support="frame", card_slices=9)
    with pytest.raises(PipelineError, match=r"card_slices: 4 \| 9; card_support: brain eroded 3.2 mm \| frame"):
        load_results(own_runs)
    results = load_results(own_runs, mixed=True)
    assert protocols(results)["support"].to_dict() == {"A": "brain eroded 3.2 mm", "B": "frame"}
    assert table(results).set_index("method")["protocol"]["VAE"] == "B"


def test_a_card_column_that_one_row_lacks_is_another_protocol(own_runs: Path) -> None:
    path = own_runs / "vae" / "seed-0" / "metrics.csv"
    pd.read_csv(path, dtype=str).drop(columns="card_preset").to_csv(path, index=False)
    with pytest.raises(PipelineError, match="card_preset"):
        load_results(own_runs)


def test_no_results_and_unknown_methods_are_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no results in .*expected <method>/seed-<s>/metrics.csv"):
        load_results(tmp_path)
    with pytest.raises(PipelineError, match="no results of method 'amcns'.* available: amcons, histeq, intensity"):
        find_runs(runs, ["amcns"])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is not a table of results"), (b'"a', "is not a table"), (b"method,seed\n", "has no row")],
)
def test_damaged_results_are_refused_by_file(own_runs: Path, content: bytes, message: str) -> None:
    (own_runs / "vae" / "seed-0" / "metrics.csv").write_bytes(content)
    with pytest.raises(PipelineError, match=f"vae/seed-0/metrics.csv {message}"):
        load_results(own_runs)


def test_runs_follow_the_given_order_and_seeds_are_numbers(own_runs: Path) -> None:
    (own_runs / "amcons" / "seed-1").rename(own_runs / "amcons" / "seed-10")
    (own_runs / "amcons" / "seed-0").rename(own_runs / "amcons" / "seed-2")
    found = find_runs(own_runs, ["vae", "amcons"])
    assert [(run.method, run.seed) for run in found] == [("vae", 0), ("amcons", 2), ("amcons", 10)]


def test_thresholds_are_those_saved_with_each_run(runs: Path) -> None:
    frame = thresholds(runs)
    own = frame[(frame["method"] == "amcons") & (frame["seed"] == 1)]
    saved = load_thresholds(runs / "amcons" / "seed-1" / "thresholds.json")
    assert list(zip(own["rule"], own["value"], own["n_subjects"], strict=True)) == [
        (t.rule, t.value, t.n_subjects) for t in saved
    ]
    assert (frame["n_subjects"] > 0).all()


def test_scans_of_all_runs_are_read(runs: Path) -> None:
    scans = load_scans(runs)
    assert len(scans) == 7 * 6
    assert scans["healthy"].dtype == bool
