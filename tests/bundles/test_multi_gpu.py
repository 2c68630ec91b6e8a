"""The preset multi_gpu, by torchrun with two gloo processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.engines import share_of_batch
from pipeline.errors import PipelineError, unwrapped
from pipeline.leaderboard import run_leaderboard
from pipeline.metrics import ScoreHistogram
from pipeline.workflow import MethodWorkflow

METHODS = ("amcons", "gradcamcons_log_barrier", "restoration_vae")
OF_THE_PRESET = ["card_preset", "presets"]
OVERRIDE = {"max_epochs": 2, "precision": "fp32"}
CHEAP = {"restoration_vae": {"inferer#steps": 2, "tuning#candidates": {"step": [0.01, 0.03]}}}
# all stages in one start, which is most of the cost
SCRIPT = """
import sys
from pipeline.workflow import MethodWorkflow
from tests.bundles.test_multi_gpu import CHEAP, METHODS, OVERRIDE

for method in METHODS:
    for stage in ("train", "calibrate", "evaluate"):
        given = OVERRIDE | CHEAP.get(method, {})
        workflow = MethodWorkflow(
            method=method, stage=stage, presets="multi_gpu", dataset_dir=sys.argv[1], runs_dir=sys.argv[2], **given
        )
        workflow.initialize()
        workflow.run()
workflow.finalize()
"""


def torchrun(*command: str) -> subprocess.CompletedProcess:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}  # a script's folder is on the path, the current one is not
    return subprocess.run([*launch, *command], cwd=root, env=environment, capture_output=True, text=True)


@pytest.mark.dist
@pytest.mark.slow
def test_two_processes_write_what_one_does(tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "stages.py").write_text(SCRIPT)
    done = torchrun(str(tmp_path / "stages.py"), str(tiny_dataset), str(tmp_path / "two"))
    assert done.returncode == 0, done.stderr[-3000:]
    for method in METHODS:
        two, one = (tmp_path / runs / method / "seed-0" for runs in ("two", "one"))
        log = pd.read_csv(two / "training.csv")
        assert log["epoch"].tolist() == [1, 2] and log["loss"].iloc[1] < log["loss"].iloc[0]
        (one / "checkpoints").mkdir(parents=True)
        shutil.copy(next((two / "checkpoints").glob("*.pt")), one / "checkpoints")
        shutil.copy(two / "training.csv", one)
        given = OVERRIDE | CHEAP.get(method, {})
        run_leaderboard([method], tiny_dataset, tmp_path / "one", **given)  # trained already: it goes on from there
        for name in ("metrics.csv", "scans.csv"):
            tables = [pd.read_csv(path / name).drop(columns=OF_THE_PRESET, errors="ignore") for path in (two, one)]
            pd.testing.assert_frame_equal(*tables)
        for name in ("calibration.npz", "validation.npz", "test.npz"):
            assert ScoreHistogram.load(two / name).digest() == ScoreHistogram.load(one / name).digest()
        assert {p.name for p in (two / "maps").iterdir()} == {p.name for p in (one / "maps").iterdir()}


@pytest.mark.dist
@pytest.mark.slow
def test_what_cannot_be_shared_out_is_refused_in_one_line(tiny_dataset: Path, tmp_path: Path) -> None:
    workflow = ["-m", "monai.bundle", "run", "--workflow_name", "pipeline.workflow.MethodWorkflow", "--presets"]
    common = ["multi_gpu", "--dataset_dir", str(tiny_dataset), "--runs_dir", str(tmp_path), "--stage", "train"]
    critic = torchrun(*workflow, *common, "--method", "anovaegan")
    assert critic.returncode != 0
    assert "error: training against a critic runs in one process: leave the preset multi_gpu out" in critic.stderr


def test_a_batch_that_cannot_be_shared_out_is_refused(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    given = {"dataset_dir": str(tiny_dataset), "runs_dir": str(tmp_path), "batch_size": 5}
    parser = MethodWorkflow(method="vae", stage="train", presets="multi_gpu", **given).parser
    message = "batch_size 5 cannot be shared out among 2 processes; take a multiple"
    with pytest.raises(PipelineError, match=message), unwrapped():
        parser.get_parsed_content("train::loader")


def test_a_batch_is_shared_out_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of_batch(5) == 5
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    assert share_of_batch(8) == 4
    with pytest.raises(PipelineError, match="batch_size 5 cannot be shared out among 2 processes; take a multiple"):
        share_of_batch(5)
