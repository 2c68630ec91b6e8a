"""How well a network does while it is trained, and the epoch at which it did best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from torch import nn

from pipeline.files import write_epoch


class Judge(Protocol):
    """A handler that judges an evaluation, see `pipeline.handlers.criteria`."""

    split: str

    def attach(self, engine: Engine) -> None: ...

    def value(self) -> float: ...


class FollowScores:
    """After each epoch, what every criterion says of the network: a CSV with a row an epoch and a column a criterion.

    With `keep`, the network takes back the weights of the epoch of that criterion's highest value when the training is
    complete. They are a part of the checkpoint, so an interrupted training keeps the same ones. Rows of epochs that
    are trained again are replaced.

    Attach it before the checkpoint, so that an epoch that was saved was also measured.

    Args:
        path: of the CSV.
        network: is measured in evaluation mode.
        evaluator: `(split=, handlers=) -> evaluator` of the network, see `pipeline.engines.split_evaluator`.
        criteria: by their names in the CSV.
        keep: name of the criterion that chooses the epoch; None: the last epoch stays.
    """

    def __init__(
        self,
        path: str,
        network: nn.Module,
        evaluator: Callable[..., Any],
        criteria: Mapping[str, Judge],
        keep: str | None = None,
    ) -> None:
        self.path = Path(path)
        self.network = network
        self.evaluator = evaluator
        self.criteria = criteria
        self.keep = keep
        self.best, self.weights = -math.inf, dict[str, torch.Tensor]()

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._measure)
        engine.add_event_handler(Events.COMPLETED, self._take_back)

    def state_dict(self) -> dict[str, Any]:
        """The highest value so far and the weights that it was reached with."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.weights = state["best"], state["weights"]

    def _measure(self, engine: Engine) -> None:
        values = {name: self._value(criterion) for name, criterion in self.criteria.items()}
        if self.keep is not None and values[self.keep] > self.best:
            self.best = values[self.keep]
            self.weights = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        if idist.get_rank() == 0:
            write_epoch(self.path, [{"epoch": engine.state.epoch, **values}])

    def _value(self, criterion: Judge) -> float:
        self.evaluator(split=criterion.split, handlers=[criterion]).run()
        return criterion.value()

    def _take_back(self, engine: Engine) -> None:
        if self.weights:
            self.network.load_state_dict(self.weights)
