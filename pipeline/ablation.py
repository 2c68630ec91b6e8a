"""Ablations: grids of settings, each run by the leaderboard, in one table. The grids are YAML files of values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import yaml

import bundles
from pipeline.data import load_manifest
from pipeline.errors import PipelineError, check_choice
from pipeline.files import replaced, write_csv
from pipeline.leaderboard import run_leaderboard
from pipeline.lock import locked
from pipeline.metrics import ScoreHistogram, average_precision
from pipeline.report.ablation_pictures import PICTURES, followed
from pipeline.workflow import MethodWorkflow

FOLDER = bundles.ROOT / "base" / "ablations"


def available_ablations() -> list[str]:
    """Names of the installed ablations."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_ablation(name: str) -> dict[str, Any]:
    """An installed ablation, or one of one's own given by path (`*.yaml`).

    Keys: `figure`, a column of metrics.csv or a list of them; `grids`, a list of mappings from `method` and any key of
    the configuration to values, all combinations of which are run; `published`, by method a value, or values by their
    names, printed beside; `presets` that every setting gets; `picture`, one of `pipeline.report.ablation_pictures`,
    drawn of each data set.

    Raises:
        PipelineError: no such ablation or picture; the message lists the choices. A grid without `method`.
    """
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise PipelineError(
            f"unknown ablation '{name}'; available: {', '.join(available_ablations())}, or a path to a .yaml"
        )
    plan: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not all("method" in grid for grid in plan["grids"]):
        raise PipelineError(f"{path}: every grid needs the key 'method', a list of methods")
    if plan.get("picture", next(iter(PICTURES))) not in PICTURES:
        raise PipelineError(f"{path}: unknown picture '{plan['picture']}'; available: {', '.join(PICTURES)}")
    return plan


def settings(grids: Sequence[dict[str, Sequence[Any]]]) -> list[dict[str, Any]]:
    """All combinations of every grid, each once."""
    found: list[dict[str, Any]] = []
    for grid in grids:
        for values in product(*grid.values()):
            setting = dict(zip(grid, values, strict=True))
            found += [] if setting in found else [setting]
    return found


def run_ablation(
    name: str,
    datasets: Sequence[str | Path],
    out: str | Path,
    seeds: Sequence[int] = (0,),
    presets: str = "",
    **override: Any,
) -> pd.DataFrame:
    """Run all settings of an ablation on every dataset, and write `out/ablation.csv`; stopped, it goes on where it was.

    Of runs with the preset `follow_maps`, `out/attention.csv` joins the figures over training. The picture that the
    ablation asks for is `out/<dataset>.png`, drawn anew after every dataset.

    Args:
        name: see `load_ablation`. datasets: prepared datasets, e.g. one for each number of slices.
        override: of the configuration, for all settings.

    Returns:
        One row a dataset and setting: the setting, mean and standard deviation over seeds of each figure, the average
        precision on validation where there is a labelled one (to choose by), and what was published.

    Raises:
        PipelineError: a method, preset, key or dataset of any run is refused, before the first one trains.
    """
    plan, out = load_ablation(name), Path(out)
    presets = ",".join([*plan.get("presets", []), *filter(None, presets.split(","))])
    found = settings(plan["grids"])
    _check(found, datasets, presets, override)
    with locked(out):
        return _run_all(plan, found, datasets, out, seeds, presets, override)


def _run_all(
    plan: dict[str, Any],
    found: Sequence[dict[str, Any]],
    datasets: Sequence[str | Path],
    out: Path,
    seeds: Sequence[int],
    presets: str,
    override: dict[str, Any],
) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for dataset in datasets:
        manifest, of_dataset = load_manifest(dataset), len(runs)
        where = {"dataset": manifest["name"], "slices": manifest["slices"], "image_size": manifest["image_size"]}
        for setting in found:
            folder = out / _folder({**where, **setting})
            figures = [plan["figure"]] if isinstance(plan["figure"], str) else plan["figure"]
            row = _row(figures, setting, dataset, folder, seeds, presets, override)
            rows.append({**where, **setting, **row, **_published(plan.get("published", {}).get(setting["method"]))})
            columns = {**where, "simulated": manifest["simulated"], **setting}
            runs += [{**columns, "seed": seed, "folder": _run(folder, seed)} for seed in seeds]
        if "picture" in plan:
            _draw(plan, pd.DataFrame(runs[of_dataset:]), out / f"{_folder(where)}.png")
    over_training = followed(pd.DataFrame(runs))
    if len(over_training):
        write_csv(out / "attention.csv", over_training)
    table = pd.DataFrame(rows)
    write_csv(out / "ablation.csv", table)
    return table


def _check(
    found: Sequence[dict[str, Any]], datasets: Sequence[str | Path], presets: str, override: dict[str, Any]
) -> None:
    """Raise what the configuration of any run is refused for."""
    for dataset in datasets:
        load_manifest(dataset)
        for setting in found:
            MethodWorkflow(presets=presets, dataset_dir=str(dataset), **{**override, **setting})


def _published(values: Any) -> dict[str, Any]:
    """Columns of what was published for a method: `published`, or one a name."""
    named = values if isinstance(values, dict) else {"": values}
    return {f"published {name}".strip(): value for name, value in named.items()}


def _row(
    figures: Sequence[str],
    setting: dict[str, Any],
    dataset: str | Path,
    folder: Path,
    seeds: Sequence[int],
    presets: str,
    override: dict[str, Any],
) -> dict[str, Any]:
    given = {**override, **{key: value for key, value in setting.items() if key != "method"}}
    results = run_leaderboard([setting["method"]], dataset, folder, seeds, presets, **given)
    row: dict[str, Any] = {}
    for figure in figures:
        check_choice("figure", figure, results.select_dtypes("number"))
        values = results[results["seed"].isin(seeds)][figure]
        row |= {figure: values.mean(), f"{figure}_sd": values.std(), "seeds": len(values)}
    validation = [_run(folder, seed) / "validation.npz" for seed in seeds]
    precisions = [average_precision(ScoreHistogram.load(path).pooled()).value for path in validation if path.is_file()]
    return row | ({"validation_auprc": mean(precisions)} if precisions else {})


def _run(folder: Path, seed: int) -> Path:
    """The run of a seed, in the folder of a setting, which has one method."""
    return next(folder.glob(f"*/seed-{seed}"))


def _draw(plan: dict[str, Any], runs: pd.DataFrame, path: Path) -> None:
    with replaced(path) as temporary:
        PICTURES[plan["picture"]](runs, plan["grids"]).savefig(temporary, dpi=150)


def _folder(setting: dict[str, Any]) -> str:
    return re.sub(r"[^\w.=-]+", "-", "_".join(f"{key}={value}" for key, value in setting.items()))
