"""torchrun with two gloo processes, from the configurations of an exported bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow
from monai.utils import set_determinism

from pipeline.metrics import ScoreHistogram

ROOT = Path(__file__).resolve().parents[2]
OF_THE_PRESET = ["card_preset", "presets"]


def torchrun(bundle: Path, configs: list[str], **override: object) -> None:
    """Both processes have to end by themselves: one that waits for the other would be killed after ten minutes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, "-m", "monai.bundle", "run", "--config_file", str(configs)]
    given = [word for key, value in override.items() for word in (f"--{key}", str(value))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *given], cwd=bundle, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.dist
@pytest.mark.slow
def test_two_processes_train_go_on_and_evaluate(
    bundle_of: Callable[[str], Path], tiny_dataset: Path, tmp_path: Path
) -> None:
    bundle = bundle_of("amcons")
    train, several, evaluate = (f"configs/{name}.yaml" for name in ("train", "multi_gpu_train", "evaluate"))
    given = {"dataset_dir": tiny_dataset, "runs_dir": tmp_path / "two"}
    torchrun(bundle, [train, several], max_epochs=1, **given)
    stages = [yaml.safe_load((bundle / name).read_text())["run"] for name in (train, evaluate)]
    (tmp_path / "both.yaml").write_text(yaml.safe_dump({"run": sum(stages, [])}))
    two, one = (tmp_path / runs / "amcons" / "seed-0" for runs in ("two", "one"))
    first = torch.load(two / "model.pt", weights_only=True)
    log = pd.read_csv(two / "training.csv")
    log.assign(loss=-1.0).to_csv(two / "training.csv", index=False)  # a start from scratch would write it anew
    torchrun(bundle, [train, several, str(tmp_path / "both.yaml")], max_epochs=2, **given)
    log = pd.read_csv(two / "training.csv")
    assert log["epoch"].tolist() == [1, 2] and log["loss"][0] == -1.0 < log["loss"][1], "the second start goes on"
    second = torch.load(two / "model.pt", weights_only=True)
    assert any(not first[name].equal(weight) for name, weight in second.items())
    alone = {"dataset_dir": str(tiny_dataset), "runs_dir": str(tmp_path / "one"), "max_epochs": 2}
    workflow = ConfigWorkflow(
        config_file=[str(bundle / train), str(bundle / evaluate)],
        bundle_root=str(bundle),
        weights_path=str(two / "model.pt"),
        **alone,
    )
    workflow.initialize()
    workflow.run()
    set_determinism(None)
    tables = [pd.read_csv(path / "metrics.csv").drop(columns=OF_THE_PRESET) for path in (two, one)]
    pd.testing.assert_frame_equal(*tables)
    assert ScoreHistogram.load(two / "test.npz").digest() == ScoreHistogram.load(one / "test.npz").digest()
