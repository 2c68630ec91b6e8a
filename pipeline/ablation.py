"""Ablations: grids of settings, each run by the leaderboard, in one table. The grids are YAML files of values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import bundles
from pipeline.data import load_manifest
from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard

FOLDER = bundles.ROOT / "base" / "ablations"


def available_ablations() -> list[str]:
    """Names of the installed ablations."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_ablation(name: str) -> dict[str, Any]:
    """An installed ablation, or one of one's own given by path (`*.yaml`).

    Keys: `figure`, a column of metrics.csv; `grids`, a list of mappings from `method` and any key of the configuration
    to values, all combinations of which are run; `published`, values of the figure by method, printed beside.

    Raises:
        PipelineError: no such ablation; the message lists the choices. A grid without `method`.
    """
    path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise PipelineError(
            f"unknown ablation '{name}'; available: {', '.join(available_ablations())}, or a path to a .yaml"
        )
    plan: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not all("method" in grid for grid in plan["grids"]):
        raise PipelineError(f"{path}: every grid needs the key 'method', a list of methods")
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
    mixins: str = "",
    **override: Any,
) -> pd.DataFrame:
    """Run all settings of an ablation on every dataset, and write `out/ablation.csv`; stopped, it goes on where it was.

    Args:
        name: see `load_ablation`. datasets: prepared datasets, e.g. one for each number of slices.
        override: of the configuration, for all settings.

    Returns:
        One row a dataset and setting: the setting, the figure's mean and standard deviation over seeds, and what was
        published.
    """
    plan = load_ablation(name)
    figure, rows = plan["figure"], []
    for dataset in datasets:
        manifest = load_manifest(dataset)
        for setting in settings(plan["grids"]):
            where = {"dataset": manifest["name"], "slices": manifest["slices"]}
            values = _values(
                figure, setting, dataset, Path(out) / _folder({**where, **setting}), seeds, mixins, override
            )
            spread = {figure: values.mean(), f"{figure}_sd": values.std(), "seeds": len(values)}
            rows.append({**where, **setting, **spread, "published": plan.get("published", {}).get(setting["method"])})
    table = pd.DataFrame(rows)
    temporary = Path(out) / "ablation.tmp"
    table.to_csv(temporary, index=False)
    temporary.replace(Path(out) / "ablation.csv")
    return table


def _values(
    figure: str,
    setting: dict[str, Any],
    dataset: str | Path,
    folder: Path,
    seeds: Sequence[int],
    mixins: str,
    override: dict[str, Any],
) -> pd.Series:
    given = {**override, **{key: value for key, value in setting.items() if key != "method"}}
    results = run_leaderboard([setting["method"]], dataset, folder, seeds, mixins, **given)
    if figure not in results:
        raise PipelineError(f"unknown figure '{figure}'; available: {', '.join(results.select_dtypes('number'))}")
    return results[results["seed"].isin(seeds)][figure]


def _folder(setting: dict[str, Any]) -> str:
    return re.sub(r"[^\w.=-]+", "-", "_".join(f"{key}={value}" for key, value in setting.items()))
