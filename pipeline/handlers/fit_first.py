"""What is learnt without gradients, before the first step that has them, or after the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader
from torch.utils.data import Dataset

from pipeline.contracts import Batch
from pipeline.networks import Estimator

BATCH = 64


class FitFirst:
    """Shows an Estimator every normal slice and its mirror image when a training starts.

    Attach it before the checkpoint: a training that goes on then takes what was saved.

    Args:
        estimator: a part of the network that is trained; it stays as it is afterwards.
        slices: see `pipeline.data.normal_slices`. Rows are the axis from left to right.
        prepare_batch: `(batch, device) -> (image, batch)`, see `pipeline.engines.PrepareSlices`.
    """

    def __init__(
        self, estimator: Estimator, slices: Dataset, prepare_batch: Callable[..., tuple[torch.Tensor, Batch]]
    ) -> None:
        self.estimator = estimator
        self.slices = slices
        self.prepare_batch = prepare_batch

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, self._fit)

    @torch.no_grad()
    def _fit(self, engine: Any) -> None:
        for batch in DataLoader(self.slices, batch_size=BATCH):
            image, on_device = self.prepare_batch(batch, engine.state.device)
            self.estimator.partial_fit(image, on_device)
            self.estimator.partial_fit(image.flip(2), {**on_device, "brain": on_device["brain"].flip(2)})
        self.estimator.finish()


class FitLast(FitFirst):
    """The same when the training is complete, for an Estimator that looks through what was trained.

    Attach it before the checkpoint, which then writes what was fitted.

    Args:
        estimator: holds the network that was trained; it is left in evaluation mode.
        slices: see FitFirst.
        prepare_batch: see FitFirst.
    """

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, lambda _: self.estimator.eval())
        engine.add_event_handler(Events.COMPLETED, self._fit)
