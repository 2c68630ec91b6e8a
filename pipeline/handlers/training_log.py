"""The record of a training run: its progress, one CSV row an epoch, and the same for experiment tracking."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from torch import nn

from pipeline.errors import PipelineError
from pipeline.files import write_epoch
from pipeline.handlers.tracking import track
from pipeline.losses import BatchLoss
from pipeline.progress import Progress

LINE_EVERY = 5.0  # s, of a log; the CSV has every epoch


class TrainingLog:
    """Means over each epoch of the loss and of its terms, in `path`; rows of epochs trained again are replaced.

    They are the `state.metrics` of the trainer, too, where other handlers find them.

    Args:
        path: CSV with the columns epoch, loss and the terms of the objective.
        objective: the loss; the `terms` of a BatchLoss are read after every iteration, those of `state.output["terms"]`
            are added.
        title: of the progress, see Progress.
        tensorboard, mlflow: where else to write them, see `track`.

    Raises:
        PipelineError: see `track`. At the end of an epoch with a loss that is not finite, before anything of it is
            written.
    """

    def __init__(
        self,
        path: str,
        objective: nn.Module,
        title: str = "train",
        tensorboard: bool = False,
        mlflow: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.objective = objective
        self.title = title
        self.tensorboard, self.mlflow = tensorboard, mlflow
        self.sums: dict[str, torch.Tensor] = {}
        self.progress: Progress | None = None

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)
        if idist.get_rank() == 0:
            track(engine, self.path.parent, self.tensorboard, self.mlflow)

    def _begin(self, engine: Engine) -> None:
        self.sums.clear()
        if self.progress is None and idist.get_rank() == 0:
            done, total = engine.state.epoch - 1, engine.state.max_epochs or 0
            self.progress = Progress(self.title, total, "epoch", done, every=LINE_EVERY)

    def _add(self, engine: Engine) -> None:
        output: Any = engine.state.output
        terms = self.objective.terms if isinstance(self.objective, BatchLoss) else {}
        values = {"loss": output["loss"], **terms, **output.get("terms", {})}
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()

    def _means(self, iterations: int) -> dict[str, float]:
        """Of all ranks, which make the same number of iterations."""
        share = 1 / (iterations * idist.get_world_size())
        return {name: float(idist.all_reduce(float(value))) * share for name, value in self.sums.items()}

    def _write(self, engine: Engine) -> None:
        means = self._means(engine.state.epoch_length or 1)
        row = {"epoch": engine.state.epoch, **means}
        if not math.isfinite(row["loss"]):
            raise PipelineError(
                f"{self.title}: the loss of epoch {row['epoch']} is {row['loss']}, the training diverged. The same "
                "command goes on from the epoch before; if it happens again lower learning_rate, or set precision: fp32"
            )
        engine.state.metrics.update(means)
        if self.progress is not None:  # on rank 0
            write_epoch(self.path, [row])
            self.progress.step(engine.state.epoch, f"loss {row['loss']:.5g}")
