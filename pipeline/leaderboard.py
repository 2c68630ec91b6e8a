"""All methods × seeds on one prepared dataset, one after the other; what is done is not done again."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from monai.bundle import ConfigParser

from pipeline.data import load_manifest
from pipeline.errors import PipelineError
from pipeline.files import unquoted, write_csv, write_json
from pipeline.lock import locked
from pipeline.metrics import ScoreHistogram, paired_difference
from pipeline.preflight import check_run
from pipeline.run_state import RECIPE, made_of, stages_done, write_stages
from pipeline.workflow import MethodWorkflow

ASKED = ("method_file", "presets", "overrides")
STAGES = ("train", "calibrate", "evaluate")
FIGURES = {"auprc": ("ap", "best_floor"), "scan_ap": ("scan_ap", "best_floor_of_scans")}  # compared with the floors

log = logging.getLogger(__name__)


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
    runs = [
        {"method": method, "presets": presets, "dataset_dir": str(dataset_dir), **override}
        | {"runs_dir": str(runs_dir), "seed": seed}
        for method, seed in product(methods, seeds)
    ]
    for run in runs:
        _check(run)
    with locked(Path(runs_dir)):
        for run in runs:
            _run(run)
    return collect(runs_dir)


def _check(run: dict[str, Any]) -> None:
    """Raise what a run will be refused for, before the first one begins."""
    parser = MethodWorkflow(**run).parser
    missing = [stage for stage in STAGES if stage not in stages_done(_output(parser), _made_of(parser))]
    check_run(parser, missing)


def _run(run: dict[str, Any]) -> None:
    parser = MethodWorkflow(**run).parser
    output, now = _output(parser), _made_of(parser)
    done = stages_done(output, now)
    for stage in STAGES:
        if stage in done:
            continue
        workflow = MethodWorkflow(**run, stage=stage)
        workflow.initialize()
        output.mkdir(parents=True, exist_ok=True)
        write_stages(output, now, done)
        write_json(output / RECIPE, recipe(workflow.parser))
        began = time.monotonic()
        workflow.run()
        log.info("%s, seed %d: %s took %.1f s", run["method"], run["seed"], stage, time.monotonic() - began)
        done = [*done, stage]
        write_stages(output, now, done)


def _output(parser: ConfigParser) -> Path:
    return Path(parser.get_parsed_content("output_dir"))


def _made_of(parser: ConfigParser) -> dict[str, Any]:
    return made_of(parser, load_manifest(str(parser["dataset_dir"]))["hash"])


def recipe(parser: ConfigParser) -> dict[str, Any]:
    """What made a run: its configuration as resolved, and the data set; `lesionless pack` reads it."""
    config: Any = parser.config
    resolved = {name: value for name, value in config.items() if name != "_meta_"}
    dataset = Path(config["dataset_dir"])
    found = {"dataset_dir": str(dataset.absolute()), "dataset_hash": load_manifest(dataset)["hash"]}
    return {**found, "config": json.loads(json.dumps(resolved, default=str))}


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
        known = [figure for figure in FIGURES if figure in results and results[figure].notna().any()]
        results = pd.concat([results, *(_differences(results, files, figure) for figure in known)], axis=1)
    results = results.sort_values(["floor", "method", "seed"], ignore_index=True)
    write_csv(Path(runs_dir) / "metrics.csv", results)
    return results


def _read(file: Path) -> pd.DataFrame:
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
        value, low, high, _ = paired_difference(ours, of_seed.get(row["seed"], first), figure)
        rows.append({of_best: best, f"{prefix}_minus_floor": value})
        rows[-1] |= {f"{prefix}_minus_floor_ci_low": low, f"{prefix}_minus_floor_ci_high": high}
    return pd.DataFrame(rows)
