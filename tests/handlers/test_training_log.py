from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from ignite.engine import Engine

from pipeline.errors import PipelineError
from pipeline.handlers import TrainingLog
from pipeline.losses import BatchLoss


def run(path: Path, losses: list[float], epochs: int) -> None:
    def step(engine: Engine, loss: float) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(loss * engine.state.epoch)}

    engine, objective = Engine(step), BatchLoss()
    objective.terms = {"kl": torch.tensor(2.0)}
    objects: dict[str, Any] = {"path": str(path), "objective": objective, "title": "vae"}
    TrainingLog(**objects).attach(engine)
    engine.run(losses, max_epochs=epochs)


def test_rows_are_means_over_the_epoch(tmp_path: Path) -> None:
    run(tmp_path / "training.csv", [1.0, 4.0, 1.0], epochs=2)
    assert pd.read_csv(tmp_path / "training.csv").to_dict("list") == {
        "epoch": [1, 2],
        "loss": [2.0, 4.0],
        "kl": [2.0, 2.0],
    }


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_training_that_diverged_is_refused_and_leaves_no_row(loss: float, tmp_path: Path) -> None:
    with pytest.raises(
        PipelineError, match="vae: the loss of epoch 1 is (nan|inf), the training diverged. .*lower learning_rate"
    ):
        run(tmp_path / "training.csv", [1.0, loss], epochs=3)
    assert not (tmp_path / "training.csv").exists()
