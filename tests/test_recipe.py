"""A row of results says how it was asked for, in words that make it again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from lesionless.cli import app
from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.recipe import commands, overrides_text, parse_overrides

VALUES = [
    3,
    0.1,
    1e-05,
    True,
    None,
    "fp32",
    "10",
    "a b",
    "x,y",
    "$None",
    "it's",
    "",
    [1, 2],
    (0.5, 0.9),
    {"step": [0.01, "a"]},
    "[1]",
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_read_again_with_its_kind(value) -> None:
    read = parse_overrides(shlex.split(overrides_text({"key": value})))["key"]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "pairs, message",
    [
        (["beta"], "an override is key=value, .*got 'beta'"),
        (["a=1", "a=2"], "'a' is set twice: a=1 and a=2"),
        (["seed=3"], "'seed' is not given by --set: it is --seeds"),
        (["dataset_dir=x"], "'dataset_dir' is not given by --set: it is the argument DATASET"),
        (["recipe#presets=x"], "'recipe::presets' is not given by --set"),
    ],
)
def test_what_is_no_override_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        parse_overrides(pairs)


def test_methods_of_equal_settings_and_seeds_share_a_line() -> None:
    rows = pd.DataFrame(
        [("vae", 0, "", "tuned", "beta=2"), ("vae", 1, "", "tuned", "beta=2"),
         ("mine", 0, "my dir/m.yaml", "tuned", "beta=2"), ("mine", 1, "my dir/m.yaml", "tuned", "beta=2"),
         ("ae", 0, "", "", "")],
        columns=["method", "seed", "method_file", "presets", "overrides"],
    )  # fmt: skip
    assert commands(rows, "data", "out") == [
        "lesionless run data --out out --methods ae --seeds 0",
        "lesionless run data --out out --methods 'my dir/m.yaml,vae' --seeds 0,1 --presets tuned --set beta=2",
    ]


def test_rows_of_before_there_were_recipes_say_that_they_have_none() -> None:
    (line,) = commands(pd.DataFrame({"method": ["vae"], "seed": [3]}))
    assert (
        line
        == "lesionless run DATASET --out RUNS --methods vae --seeds 3   # its presets and overrides are not on the row"
    )


def test_the_printed_line_makes_the_same_row_again(tiny_dataset: Path, tmp_path: Path) -> None:
    override = {"max_epochs": 1, "precision": "fp32", "constraint_weight": 7.5}
    row = run_leaderboard(["amcons"], tiny_dataset, tmp_path / "first", presets="tuned,reference", **override)
    (line,) = commands(row, str(tiny_dataset), str(tmp_path / "again"))
    assert "--presets tuned,reference" in line and line.endswith("--set constraint_weight=7.5")
    program, *arguments = shlex.split(line)
    done = CliRunner().invoke(app, arguments)
    assert program == "lesionless" and done.exit_code == 0, done.output
    again = pd.read_csv(tmp_path / "again" / "metrics.csv")
    pd.testing.assert_frame_equal(again, pd.read_csv(tmp_path / "first" / "metrics.csv"))
    assert again["card_preset"].item() == "tuned + reference" and again["presets"].item() == "tuned,reference"
    assert shlex.quote(line.split(" --out")[0]) and line in (tmp_path / "again" / "report.html").read_text()
