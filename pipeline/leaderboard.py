"""All methods × seeds on one prepared dataset, one after the other; what is done is not done again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import ledger
from pipeline.errors import PipelineError
from pipeline.files import check_whole, unquoted, write_csv
from pipeline.jobs import plan, work
from pipeline.lock import locked
from pipeline.metrics import ScoreHistogram, paired_difference

ASKED = ("method_file", "presets", "overrides")
FIGURES = {"auprc": ("ap", "best_floor"), "scan_ap": ("scan_ap", "best_floor_of_scans")}  # compared with the floors


def run_leaderboard(
    methods: Sequence[str],
    dataset_dir: str | Path,
    runs_dir: str | Path,
    seeds: Sequence[int] = (0,),
    presets: str = "",
    **override: Any,
) -> pd.DataFrame:
    """Train, calibrate and evaluate every method with every seed, and write `runs_dir/metrics.csv`.

    Each stage leaves a mark when it is complete; the same command goes on where it was stopped, and with more
    `max_epochs` it trains on. All runs are checked before the first one begins.

    Args:
        methods: names of installed methods, or paths of a `method.yaml`.
        presets: names of installed presets, or paths, separated by commas.
        override: configuration overrides for all methods, e.g. `max_epochs=15`.

    Returns:
        One row a method and seed; learned methods with the paired difference of their average precision to the
        best floor, `ap_minus_floor` and its interval.

    Raises:
        PipelineError: any of the runs is refused: its configuration, its data, or another run in its folder; another
            process is at work in `runs_dir`.
    """
    jobs = plan(methods, dataset_dir, runs_dir, seeds, presets, **override)
    with locked(Path(runs_dir)):
        for job in jobs:
            if ledger.why(ledger.read(job.folder), job.digest, job.folder) is not None:
                work(job)
    return collect(runs_dir)


def collect(runs_dir: str | Path) -> pd.DataFrame:
    """All rows below `runs_dir`, with the differences to the best floor, also written to `runs_dir/metrics.csv`.

    Raises:
        PipelineError: no method was evaluated there.
    """
    files = sorted(Path(runs_dir).glob("*/seed-*/metrics.csv"))
    if not files:
        raise PipelineError(f"no results below '{runs_dir}': run the stage evaluate first")
    results = pd.concat([_read(file) for file in files], ignore_index=True)
    if results["floor"].any():
        floors = results[results["floor"]]
        known = [figure for figure in FIGURES if figure in results and floors[figure].notna().any()]
        results = pd.concat([results, *(_differences(results, files, figure) for figure in known)], axis=1)
    results = results.sort_values(["floor", "method", "seed"], ignore_index=True)
    write_csv(Path(runs_dir) / "metrics.csv", results)
    return results


def _read(file: Path) -> pd.DataFrame:
    check_whole(file)
    columns = pd.read_csv(file, nrows=0).columns
    text = {name: unquoted for name in columns if name in ASKED or name.startswith("card_")}
    return pd.read_csv(file, converters=text)


def _differences(results: pd.DataFrame, files: Sequence[Path], figure: str) -> pd.DataFrame:
    """Of each learned run, the difference of a figure to the floor with its best mean, of the same seed."""
    prefix, of_best = FIGURES[figure]
    best = results[results["floor"]].groupby("method")[figure].mean().idxmax()
    of_seed = {seed: ScoreHistogram.load(file.with_name("test.npz")) for seed, method, file
               in zip(results["seed"], results["method"], files, strict=True) if method == best}  # fmt: skip
    first = of_seed[min(of_seed)]
    rows: list[dict[str, Any]] = []
    for file, (_, row) in zip(files, results.iterrows(), strict=True):
        if row["floor"]:
            rows.append({})
            continue
        ours = ScoreHistogram.load(file.with_name("test.npz"))
        found = paired_difference(ours, of_seed.get(row["seed"], first), figure)
        interval = {f"{prefix}_minus_floor_ci_low": found.lower, f"{prefix}_minus_floor_ci_high": found.upper}
        rows.append({of_best: best, f"{prefix}_minus_floor": found.value, **interval})
    return pd.DataFrame(rows)
