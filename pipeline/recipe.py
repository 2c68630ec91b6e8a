"""How a run was asked for, as text that can be typed again: the columns `presets` and `overrides` of a result row."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from fire.parser import DefaultParseValue
from monai.bundle import ReferenceResolver

from pipeline.errors import PipelineError

OPTIONS = {
    "method": "--methods",
    "presets": "--presets",
    "mixins": "--presets",
    "preset": "--presets",
    "seed": "--seeds",
    "dataset_dir": "the argument DATASET",
    "runs_dir": "--out",
    "output_dir": "--out",
    "stage": "`python -m monai.bundle run`",
    "recipe": "--presets and --set",
}
UNKNOWN = "unknown"  # of runs by the plain `--config_file` form, and of those before there were recipes


def parse_overrides(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as `python -m monai.bundle run --key value` reads them: `3` is a number, `a` a text.

    Raises:
        PipelineError: a text without `=`, the same key again, or a key that has an option of its own.

    Example:
        >>> parse_overrides(["beta=1e-3", "optimizer#betas=[0.5, 0.9]", "precision=fp32"])
        {'beta': 0.001, 'optimizer::betas': [0.5, 0.9], 'precision': 'fp32'}
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = ReferenceResolver.normalize_id(key.strip())
        if not equals or not key:
            raise PipelineError(f"an override is key=value, e.g. beta=0.1; got '{pair}'")
        option = OPTIONS.get(key.partition(ReferenceResolver.sep)[0])
        if option:
            raise PipelineError(f"'{key}' is not given by --set: it is {option}")
        if key in found:
            raise PipelineError(f"'{key}' is set twice: {overrides_text({key: found[key]})} and {pair}")
        found[key] = DefaultParseValue(text)
    return found


def overrides_text(overrides: Mapping[str, Any]) -> str:
    """`key=value` of each override, quoted for a shell; `parse_overrides` of its words gives the same values.

    Example:
        >>> overrides_text({"max_epochs": 2, "prior_dir": "my prior"})
        "max_epochs=2 'prior_dir=my prior'"
    """
    return " ".join(shlex.quote(f"{key}={_text(value)}") for key, value in overrides.items())


def _text(value: Any) -> str:
    """A string as it is, where it is read as that string again; the literal of everything else."""
    if isinstance(value, str):
        read = DefaultParseValue(value)
        return value if isinstance(read, str) and read == value else repr(value)
    literal = isinstance(value, bool | int | float | list | tuple | dict | None)
    return repr(value) if literal else str(value)


def commands(results: pd.DataFrame, dataset: str = "DATASET", runs: str = "RUNS") -> list[str]:
    """The lines that make the rows of `results` again: one `lesionless run` for methods of equal seeds and settings.

    Args:
        results: rows with `method`, `seed` and, but for old ones, `method_file`, `presets` and `overrides`.
    """
    keys = ["method_file", "presets", "overrides"]
    rows = results.assign(**{key: UNKNOWN for key in keys if key not in results.columns})
    rows[keys] = rows[keys].astype(object).fillna("")
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for row in rows.sort_values(["method", "seed"]).to_dict("records"):
        typed = row["method"] if row["method_file"] in ("", UNKNOWN) else row["method_file"]
        seeds.setdefault((typed, row["presets"], row["overrides"]), []).append(str(int(row["seed"])))
    methods: dict[tuple[str, str, str], list[str]] = {}
    for (method, presets, overrides), numbers in seeds.items():
        methods.setdefault((presets, overrides, ",".join(numbers)), []).append(method)
    return [_line(",".join(names), *settings, dataset, runs) for settings, names in methods.items()]


def _line(methods: str, presets: str, overrides: str, seeds: str, dataset: str, runs: str) -> str:
    known = UNKNOWN not in (presets, overrides)
    options = ["--presets", presets] if known and presets else []
    for pair in shlex.split(overrides) if known else []:
        options += ["--set", pair]
    words = ["lesionless", "run", dataset, "--out", runs, "--methods", methods, "--seeds", seeds, *options]
    return " ".join(map(shlex.quote, words)) + ("" if known else "   # its presets and overrides are not on the row")
