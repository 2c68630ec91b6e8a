"""Training that is killed after any epoch ends with the same weights and log as an unbroken run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from ignite.engine import Events

from pipeline.errors import PipelineError
from pipeline.workflow import MethodWorkflow


def workflow(tiny_dataset: Path, runs: Path, **override) -> MethodWorkflow:
    made = MethodWorkflow(
        method="amcons", dataset_dir=str(tiny_dataset), runs_dir=str(runs), max_epochs=3, precision="fp32", **override
    )
    made.initialize()
    return made


class Killed(Exception):
    pass


def kill_in_epoch(trainer, epoch: int) -> None:
    def kill(engine) -> None:
        if engine.state.epoch == epoch:
            raise Killed

    trainer.add_event_handler(Events.ITERATION_STARTED, kill)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_killed_and_continued_equals_unbroken(epoch: int, tiny_dataset: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    workflow(tiny_dataset, whole).run()
    first = workflow(tiny_dataset, broken)
    kill_in_epoch(first.parser.get_parsed_content("train::trainer"), epoch)
    with pytest.raises(RuntimeError) as stopped:
        first.run()
    assert isinstance(stopped.value.__cause__, Killed)
    assert not list(broken.rglob("model.pt"))
    workflow(tiny_dataset, broken).run()
    weights = [torch.load(next(run.rglob("model.pt")), weights_only=True) for run in (whole, broken)]
    assert [path.name for path in broken.rglob("checkpoint_*.pt")] == ["checkpoint_3.pt"]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    logs = [pd.read_csv(next(run.rglob("training.csv"))) for run in (whole, broken)]
    pd.testing.assert_frame_equal(*logs)


def test_same_seed_same_weights_other_seed_other_weights(tiny_dataset: Path, tmp_path: Path) -> None:
    def weight(name: str, seed: int) -> torch.Tensor:
        workflow(tiny_dataset, tmp_path / name, seed=seed).run()
        return torch.load(next((tmp_path / name).rglob("model.pt")), weights_only=True)["to_mu.weight"]

    assert torch.equal(weight("a", 0), weight("b", 0))
    assert not torch.equal(weight("a", 0), weight("c", 1))


def test_checkpoint_of_another_network_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    workflow(tiny_dataset, tmp_path).run()
    with pytest.raises(PipelineError, match="is of another configuration"):
        workflow(tiny_dataset, tmp_path, latent_size=8).run()
