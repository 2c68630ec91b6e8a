"""One key each: TensorBoard, MLflow, the seed, torch.compile, in an exported bundle and in the project alike."""

from __future__ import annotations

import copy
import importlib.util
import shutil
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from monai.bundle import ConfigWorkflow
from tiny_models import GRID

from pipeline.errors import PipelineError, unwrapped
from pipeline.export.files import probe
from pipeline.export.served import load_scorer
from pipeline.networks.weights import load_weights, save_weights
from pipeline.workflow import MethodWorkflow

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning", "ignore:.torch.jit"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(mlflow|alembic|tensorboard|google)"),
]


def train(root: Path, dataset: Path, runs: Path, **keys: Any) -> Path:
    """The folder of a run by `configs/train.yaml` of the bundle `root`."""
    paths = [str(root / "configs" / name) for name in ("train.yaml", "metadata.json")]
    given = {"bundle_root": str(root), "dataset_dir": str(dataset), "runs_dir": str(runs), **keys}
    workflow = ConfigWorkflow(*paths, False, workflow_type="train", **given)
    workflow.initialize()
    with unwrapped():
        workflow.run()
    return runs / "amcons" / "seed-0"


def tensorboard_losses(run: Path) -> dict[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return {event.step: event.value for event in events.Scalars("loss")}


def mlflow_losses(uri: str) -> dict[int, float]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("amcons")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "seed-0" and run.info.status == "FINISHED"
    return {point.step: point.value for point in client.get_metric_history(run.info.run_id, "loss")}


def test_losses_are_tracked_and_the_same_seed_gives_the_same_bytes(
    bundle_of: Callable[[str], Path], tiny_dataset: Path, tmp_path: Path
) -> None:
    for package in ("tensorboard", "mlflow", "sqlalchemy"):
        pytest.importorskip(package, reason="the extra `tracking`")
    root, uri = bundle_of("amcons"), f"sqlite:///{tmp_path}/runs.db"
    tracked = train(root, tiny_dataset, tmp_path / "a", max_epochs=2, tensorboard=True, mlflow=uri)
    losses = pd.read_csv(tracked / "training.csv").set_index("epoch")["loss"].to_dict()
    assert len(losses) == 2
    assert tensorboard_losses(tracked) == pytest.approx(losses, rel=1e-6)
    assert mlflow_losses(uri) == pytest.approx(losses, rel=1e-9)
    plain = train(root, tiny_dataset, tmp_path / "b", max_epochs=2)
    assert not (plain / "tensorboard").exists()
    weights = (plain / "model.pt").read_bytes()
    assert weights == (tracked / "model.pt").read_bytes(), "tracking decides no number"


def test_in_the_project_the_keys_lie_in_the_log(tiny_dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tracking`")
    keys = {"max_epochs": 1, "train#log#tensorboard": True}
    workflow = MethodWorkflow(method="amcons", dataset_dir=str(tiny_dataset), runs_dir=str(tmp_path), **keys)
    workflow.initialize()
    workflow.run()
    assert len(tensorboard_losses(tmp_path / "amcons" / "seed-0")) == 1


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"mlflow": "runs/mlruns"}, "mlflow 'runs/mlruns': MLflow no longer supports .* Use a SQLite URI"),
        ({"tensorboard": True}, r"tracking by tensorboard needs that package: pip install 'lesionless\[tracking\]'"),
    ],
)
def test_what_cannot_be_tracked_is_refused_before_training(
    keys: dict, message: str, bundle_of: Callable[[str], Path], tiny_dataset: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    find = importlib.util.find_spec
    missing = lambda name, *rest: None if name == "tensorboard" else find(name, *rest)  # noqa: E731
    monkeypatch.setattr("pipeline.handlers.tracking.find_spec", missing)
    if "mlflow" in keys:
        pytest.importorskip("mlflow", reason="the extra `tracking`")
    with pytest.raises(PipelineError, match=message):
        train(bundle_of("amcons"), tiny_dataset, tmp_path, **keys)
    assert not list(tmp_path.rglob("*.pt"))


def _compiles() -> bool:
    """Whether torch.compile finds a C++ compiler that works."""
    return any(shutil.which(name) for name in ("c++", "g++", "clang++"))


COMPILED = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning:torch", "ignore::FutureWarning"
)


@COMPILED
def test_the_map_of_a_compiled_network_is_the_map(
    bundle_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compiled is what is scored; the compiler itself, which takes a minute for a network, is tried below."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="eager"))
    root, image = bundle_of("vae"), probe(GRID, 4)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    with torch.no_grad():
        expected, found = load_scorer(root)(image), load_scorer(root, compile=True)(image)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0, "something was compiled"
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@COMPILED
@pytest.mark.skipif(not _compiles(), reason="torch.compile needs a C++ compiler")
def test_weights_are_loaded_into_a_compiled_network(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    save_weights(network, tmp_path / "model.pt")
    torch._dynamo.reset()
    same = load_weights(copy.deepcopy(network), tmp_path / "model.pt", compile=True)
    image = torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(same(image), network(image), atol=1e-5, rtol=0)
    assert same.state_dict().keys() == network.state_dict().keys()
