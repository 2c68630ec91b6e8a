"""A folder of results holds one run: going on, training on, and what is refused before any work."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import PipelineError
from pipeline.leaderboard import run_leaderboard
from pipeline.lock import LOCK, locked
from pipeline.run_state import MARKS

FAST = {"precision": "fp32"}


def refused(message: str, methods: list[str], dataset: Path, runs: Path, **given) -> None:
    """The runs are refused with these words, in one line, at once, and nothing is trained."""
    start, before = time.monotonic(), {*runs.rglob("*")}
    with pytest.raises(PipelineError, match=message) as refusal:
        run_leaderboard(methods, dataset, runs, **given)
    assert "\n" not in str(refusal.value) and {*runs.rglob("*")} - before <= {runs / LOCK}
    assert time.monotonic() - start < 10


def without(split: str, dataset: Path, root: Path) -> Path:
    shutil.copytree(dataset, root)
    manifest = json.loads((root / "dataset.json").read_text())
    del manifest["splits"][split]
    manifest["items"] = [item for item in manifest["items"] if item["split"] != split]
    (root / "dataset.json").write_text(json.dumps(manifest))
    return root


@pytest.mark.parametrize(
    "split, message",
    [
        ("calibration", "vae: the stage calibrate needs the split 'calibration': unknown split .*available: train"),
        ("validation", "vae: the stage calibrate needs the split 'validation': .*; .*--presets normals_only"),
        ("test", "vae: the stage evaluate needs the split 'test': unknown split"),
        ("train", "unknown split 'train'"),
    ],
)
def test_a_missing_split_is_refused_before_training(
    split: str, message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    refused(message, ["vae"], without(split, tiny_dataset, tmp_path / "dataset"), tmp_path / "runs", **FAST)


def test_lesions_that_are_not_labelled_are_refused_before_training(tiny_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "dataset")
    manifest = json.loads((tmp_path / "dataset/dataset.json").read_text())
    next(item for item in manifest["items"] if item["split"] == "test")["labelled"] = False
    (tmp_path / "dataset/dataset.json").write_text(json.dumps(manifest))
    message = "the stage evaluate needs the split 'test': .*whose lesions are not all labelled"
    refused(message, ["vae"], tmp_path / "dataset", tmp_path / "runs", **FAST)


def test_what_the_last_of_several_methods_lacks_is_refused_before_the_first_begins(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "dataset", ignore=shutil.ignore_patterns("prior"))
    methods = ["intensity", "spa"]
    refused("no tissue prior in", methods, tmp_path / "dataset", tmp_path / "runs", presets="without_perceptual")


def test_another_run_is_refused_with_key_old_and_new_value(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["intensity"], tiny_dataset, tmp_path, seeds=[0])
    given = {"batch_size": 4, "beta": 2.0, "latent_size": 64, "erosion_mm": 0.0}
    refused(
        r"holds another run: batch_size was 8, is 4, beta was 1.0, is 2.0, erosion_mm was 3.2, is 0.0 \(and 1 more\); "
        "delete it, or choose another --out",
        ["intensity"], tiny_dataset, tmp_path, **given,
    )  # fmt: skip
    refused('preset was "paper", is "tuned"', ["intensity"], tiny_dataset, tmp_path, presets="tuned")


def test_another_dataset_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["intensity"], tiny_dataset, tmp_path / "runs")
    shutil.copytree(tiny_dataset, tmp_path / "dataset")
    manifest = json.loads((tmp_path / "dataset/dataset.json").read_text())
    (tmp_path / "dataset/dataset.json").write_text(json.dumps({**manifest, "hash": "f00"}))
    refused('data set was ".*, is "f00"', ["intensity"], tmp_path / "dataset", tmp_path / "runs")


def test_a_run_of_before_says_that_only_its_results_can_be_read(tiny_dataset: Path, tmp_path: Path) -> None:
    run_leaderboard(["intensity"], tiny_dataset, tmp_path)
    (tmp_path / "intensity/seed-0" / MARKS).write_text(json.dumps({"key": "0123", "stages": ["train"]}))
    shutil.rmtree(tmp_path / "ledger")
    refused(
        "holds a run of an earlier version, .*`lesionless report` still reads", ["intensity"], tiny_dataset, tmp_path
    )


def test_with_more_epochs_a_run_trains_on_and_equals_one_that_never_stopped(tiny_dataset: Path, tmp_path: Path) -> None:
    for epochs in (1, 2):
        on = run_leaderboard(["intensity", "vae"], tiny_dataset, tmp_path / "on", max_epochs=epochs, **FAST)
    whole = run_leaderboard(["intensity", "vae"], tiny_dataset, tmp_path / "whole", max_epochs=2, **FAST)
    learned = [frame[frame["method"] == "vae"].reset_index(drop=True) for frame in (on, whole)]
    pd.testing.assert_frame_equal(*learned)
    assert pd.read_csv(tmp_path / "on/vae/seed-0/training.csv")["epoch"].tolist() == [1, 2]
    refused(
        "max_epochs was 2, is 1, and epochs cannot be taken back",
        ["vae"],
        tiny_dataset,
        tmp_path / "on",
        max_epochs=1,
        **FAST,
    )


def test_where_a_warm_up_follows_from_the_epochs_more_of_them_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    message = "max_epochs was 1, is 12, and warmup_epochs follows from it"
    run_leaderboard(["cavga"], tiny_dataset, tmp_path, max_epochs=1, **FAST)
    refused(message, ["cavga"], tiny_dataset, tmp_path, max_epochs=12, **FAST)


def test_a_second_run_in_a_folder_says_who_is_at_work_there(tiny_dataset: Path, tmp_path: Path) -> None:
    with locked(tmp_path):
        refused(r"process \d+ on .* is at work there; wait for it", ["intensity"], tiny_dataset, tmp_path)
    (tmp_path / LOCK).write_text("process 1 on a machine that died")
    assert len(run_leaderboard(["intensity"], tiny_dataset, tmp_path)) == 1


@pytest.mark.parametrize(
    "override, message",
    [
        ({"optimizer::lr": "fast"}, "vae: 'train::trainer' cannot be made: TypeError: "),
        ({"batch_size": "$1/0"}, "vae: 'train::trainer' cannot be made: ZeroDivisionError: division by zero"),
        ({"precision": "fp8"}, "unknown precision 'fp8'; available: auto, bf16, fp32"),
        ({"percentiles": [101]}, "percentile 101 is not available; choose a number between 0 and 100"),
        ({"percentiles": ["a"]}, "percentile a is not available; choose a number between 0 and 100"),
    ],
)
def test_an_object_that_cannot_be_made_is_named_with_the_cause(
    override: dict, message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    refused(message, ["vae"], tiny_dataset, tmp_path, **override)


def test_a_file_in_the_place_of_the_folder_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(PipelineError, match="cannot be written to: File exists; choose another --out"):
        run_leaderboard(["intensity"], tiny_dataset, tmp_path / "runs")
