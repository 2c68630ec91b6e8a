"""Read what the pipeline wrote under RUNS: one metrics row a run, thresholds, scans; one protocol a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import PipelineError
from pipeline.files import unquoted
from pipeline.metrics.thresholds import load_thresholds

CARD = "card_"
TEXT = ("method", "title", "scan", "method_file", "presets", "overrides")
FLAGS = ("floor", "supervised", "healthy", f"{CARD}simulated")


@dataclass(frozen=True)
class Run:
    """One trained method with one seed; its files lie in `folder` = RUNS/<method>/seed-<seed>."""

    method: str
    seed: int
    folder: Path


def find_runs(runs: str | Path, methods: Iterable[str] | None = None) -> list[Run]:
    """Evaluated runs under a folder, by method and seed: those with RUNS/<method>/seed-<s>/metrics.csv.

    Args:
        runs: the results folder.
        methods: methods to keep, in this order; `None` keeps all, alphabetically.

    Raises:
        PipelineError: no results there, or an unknown method; the message lists the choices.
    """
    found = []
    for path in sorted(Path(runs).glob("*/seed-*/metrics.csv")):
        seed = path.parent.name.removeprefix("seed-")
        if seed.isdigit():
            found.append(Run(path.parent.parent.name, int(seed), path.parent))
    if not found:
        raise PipelineError(f"no results in '{runs}': expected <method>/seed-<s>/metrics.csv; evaluate a method first")
    available = sorted({run.method for run in found})
    wanted = available if methods is None else list(methods)
    for method in wanted:
        if method not in available:
            raise PipelineError(f"no results of method '{method}' in '{runs}'; available: {', '.join(available)}")
    return sorted((run for run in found if run.method in wanted), key=lambda run: (wanted.index(run.method), run.seed))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table of results; names and protocol cards stay text (a hash such as `12e4…` is no number).

    Raises:
        PipelineError: the file is no table, or has no row.
    """
    try:
        names = pd.read_csv(path, nrows=0).columns
        text = {name: unquoted for name in names if name in TEXT or name.startswith(CARD)}
        frame = pd.read_csv(path, converters={**text, **dict.fromkeys(FLAGS, _flag)})
    except ValueError as error:
        raise PipelineError(f"{path} is not a table of results: {error}") from error
    if frame.empty:
        raise PipelineError(f"{path} has no row; evaluate the method again")
    return frame


def _flag(cell: str) -> bool:
    return cell.strip().lower() in ("true", "1", "1.0", "yes")


def load_results(runs: str | Path, *, mixed: bool = False) -> pd.DataFrame:
    """All rows of RUNS/*/seed-*/metrics.csv, one a method and seed, of one protocol.

    What only a comparison of runs can tell (the difference to the best floor) is taken from RUNS/metrics.csv, for rows
    that it has with the same average precision.

    Args:
        runs: the results folder.
        mixed: allow rows of different protocols (columns `card_*`); see `protocols`.

    Raises:
        PipelineError: no results, or rows that differ in the protocol card; the message names the columns.
    """
    found = find_runs(runs)
    frames = [_complete(read_csv(run.folder / "metrics.csv"), run) for run in found]
    results = _with_comparisons(pd.concat(frames, ignore_index=True), Path(runs) / "metrics.csv")
    card = [column for column in results.columns if column.startswith(CARD)]
    results[card] = results[card].fillna("")
    differing = [column for column in card if results[column].nunique() > 1]
    if differing and not mixed:
        details = "; ".join(f"{column}: {' | '.join(sorted(map(str, set(results[column]))))}" for column in differing)
        raise PipelineError(
            f"'{runs}' mixes protocols, which differ in {details}; the rows stay as they are. Move the runs of one "
            "protocol to a folder of their own, and write the report of each: `lesionless report RUNS`"
        )
    return results.copy()  # in one block: the many columns were joined one by one


def _with_comparisons(results: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the columns that only the table of all runs has; a row that was evaluated again since then gets none."""
    keys = ["method", "seed"]
    if not path.is_file() or "auprc" not in results.columns:
        return results
    together = read_csv(path)
    new = [column for column in together.columns if column not in results.columns]
    if not new or not {*keys, "auprc"} <= set(together.columns):
        return results
    other = together[keys + ["auprc"]].drop_duplicates(keys).rename(columns={"auprc": "_auprc"})
    joined = results.merge(other.join(together[new]), how="left", on=keys)
    joined.loc[~np.isclose(joined["_auprc"], joined["auprc"]), new] = None
    return joined.drop(columns="_auprc")


def _complete(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A row says of which method and seed it is even if only its folder does."""
    defaults = {"method": run.method, "seed": run.seed, "title": run.method, "floor": False, "supervised": False}
    missing = {name: value for name, value in defaults.items() if name not in frame.columns}
    return pd.concat([frame, pd.DataFrame(missing, index=frame.index)], axis=1)


def protocols(results: pd.DataFrame) -> pd.DataFrame:
    """The distinct protocol cards, one a row, labelled A, B, … in order of appearance; column names without `card_`."""
    card = [column for column in results.columns if column.startswith(CARD)]
    cards = results[card].drop_duplicates().rename(columns=lambda name: name.removeprefix(CARD))
    return cards.set_index(pd.Index([chr(ord("A") + i) for i in range(len(cards))], name="protocol"))


def protocol_of(results: pd.DataFrame) -> pd.Series:
    """For each row of the results, the label of its protocol card."""
    cards = protocols(results)
    keys = {tuple(card): str(label) for label, card in zip(cards.index, cards.to_numpy(), strict=True)}
    card = results[[CARD + name for name in cards.columns]]
    return pd.Series([keys[tuple(row)] for row in card.to_numpy()], index=results.index)


def load_scans(runs: str | Path) -> pd.DataFrame:
    """All rows of RUNS/*/seed-*/scans.csv, one a test scan and run, with the columns `method` and `seed` added."""
    frames = []
    for run in find_runs(runs):
        path = run.folder / "scans.csv"
        if path.is_file():
            frames.append(read_csv(path).assign(method=run.method, seed=run.seed))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["scan", "method", "seed"])


def thresholds(runs: str | Path) -> pd.DataFrame:
    """The thresholds of all runs: columns method, seed, rule, value, source, n_subjects, support."""
    rows = []
    for run in find_runs(runs):
        path = run.folder / "thresholds.json"
        for threshold in load_thresholds(path) if path.is_file() else []:
            fields = {name: getattr(threshold, name) for name in ("rule", "value", "source", "n_subjects", "support")}
            rows.append({"method": run.method, "seed": run.seed, **fields})
    return pd.DataFrame(rows, columns=["method", "seed", "rule", "value", "source", "n_subjects", "support"])
