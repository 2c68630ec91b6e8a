"""All methods × seeds on one prepared dataset, one after the other; what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from monai.bundle import ConfigParser

from pipeline.data import load_manifest
from pipeline.errors import PipelineError
from pipeline.files import write_csv, write_json
from pipeline.metrics import ScoreHistogram, paired_difference
from pipeline.workflow import MethodWorkflow

STAGES = ("train", "calibrate", "evaluate")
MARKS = "stages.json"
RECIPE = "recipe.json"

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

    Each stage leaves a mark when it is complete; the same command goes on where it was stopped.

    Args:
        methods: names of installed methods, or paths of a `method.yaml`.
        override: configuration overrides for all methods, e.g. `max_epochs=15`.

    Returns:
        One row a method and seed; learned methods with the paired difference of their average precision to the
        best floor, `ap_minus_floor` and its interval.

    Raises:
        PipelineError: `runs_dir` holds a run of another dataset, configuration, prior or feature network.
    """
    for method in methods:
        for seed in seeds:
            _run_method(method, seed, Path(dataset_dir), Path(runs_dir), presets, override)
    return collect(runs_dir)


def _run_method(method: str, seed: int, dataset: Path, runs: Path, presets: str, override: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"method": method, "presets": presets, "dataset_dir": str(dataset), **override}
    arguments |= {"runs_dir": str(runs), "seed": seed}
    workflow = MethodWorkflow(**arguments)
    output = Path(workflow.parser.get_parsed_content("output_dir"))
    done = _stages_done(output, run_key(workflow.parser, load_manifest(dataset)["hash"]))
    for stage in STAGES:
        if stage in done["stages"]:
            continue
        workflow = MethodWorkflow(**arguments, stage=stage)
        workflow.initialize()
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / MARKS, done)
        write_json(output / RECIPE, recipe(workflow.parser, dataset))
        began = time.monotonic()
        workflow.run()
        log.info("%s, seed %d: %s took %.1f s", method, seed, stage, time.monotonic() - began)
        done["stages"].append(stage)
        write_json(output / MARKS, done)


def _stages_done(output: Path, key: str) -> dict[str, Any]:
    """The marks of a run with this key, or new ones where nothing but marks was written yet.

    Raises:
        PipelineError: the folder holds a run with another key.
    """
    begun = output.is_dir() and any(path.name != MARKS for path in output.iterdir())
    if not begun or not (output / MARKS).is_file():
        return {"key": key, "stages": []}
    done: dict[str, Any] = json.loads((output / MARKS).read_text())
    if done["key"] != key:
        raise PipelineError(
            f"'{output}' holds a run of another dataset or configuration (or prior, or feature network): delete it, or "
            "choose another --out"
        )
    return done


def run_key(parser: ConfigParser, dataset_hash: str) -> str:
    """Hash of what decides the numbers: the dataset, the content of `inputs`, and the configuration without paths."""
    config: Any = parser.config
    inputs = parser.get_parsed_content("inputs")
    paths = ("dataset_dir", "runs_dir", "_meta_", *inputs)
    decisive = {name: value for name, value in config.items() if name not in paths}
    contents = {name: _content(value) for name, value in inputs.items()}
    text = json.dumps([decisive, contents, dataset_hash], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def recipe(parser: ConfigParser, dataset: Path) -> dict[str, Any]:
    """What made a run: its configuration as resolved, and the data set; `lesionless pack` reads it."""
    config: Any = parser.config
    resolved = {name: value for name, value in config.items() if name != "_meta_"}
    found = {"dataset_dir": str(dataset.absolute()), "dataset_hash": load_manifest(dataset)["hash"]}
    return {**found, "config": json.loads(json.dumps(resolved, default=str))}


def _content(value: str) -> str:
    """Digest of the file at that path; the value itself where it is no file, such as the name of a package."""
    return hashlib.sha256(Path(value).read_bytes()).hexdigest() if Path(value).is_file() else value


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
        results = pd.concat([results, _differences(results, files)], axis=1)
    results = results.sort_values(["floor", "method", "seed"], ignore_index=True)
    write_csv(Path(runs_dir) / "metrics.csv", results)
    return results


def _read(file: Path) -> pd.DataFrame:
    columns = pd.read_csv(file, nrows=0).columns
    return pd.read_csv(file, dtype={name: str for name in columns if name.startswith("card_")})


def _differences(results: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """Of each learned run, the difference to the floor with the best mean average precision, of the same seed."""
    best = results[results["floor"]].groupby("method")["auprc"].mean().idxmax()
    of_seed = {seed: ScoreHistogram.load(file.with_name("test.npz")) for seed, method, file
               in zip(results["seed"], results["method"], files, strict=True) if method == best}  # fmt: skip
    first = of_seed[min(of_seed)]
    rows: list[dict[str, Any]] = []
    for file, (_, row) in zip(files, results.iterrows(), strict=True):
        if row["floor"]:
            rows.append({})
            continue
        ours = ScoreHistogram.load(file.with_name("test.npz"))
        value, low, high, _ = paired_difference(ours, of_seed.get(row["seed"], first))
        rows.append({"best_floor": best, "ap_minus_floor": value})
        rows[-1] |= {"ap_minus_floor_ci_low": low, "ap_minus_floor_ci_high": high}
    return pd.DataFrame(rows)
