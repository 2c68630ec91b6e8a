"""Training without gradients: one pass over the normal slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from ignite import distributed as idist
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import Trainer

from pipeline.engines.show_progress import show_progress
from pipeline.errors import PipelineError
from pipeline.networks import Estimator


class Fit(Trainer):
    """MONAI trainer that shows an Estimator every batch once; an iteration is a batch, and there is one epoch.

    A run that a ResumableCheckpoint with `batches` has restored goes on behind the batch that was saved last; the
    batches before it are not read again.

    Args:
        device: where batches and network are.
        network: learns in `partial_fit` and `finish`.
        train_data_loader: normal slices, in an order that depends on its epoch alone.
        prepare_batch: `(batch, device, non_blocking) -> (image, batch)`.
        train_handlers: objects with `attach(engine)`.
        max_epochs: 1; MONAI's workflows ask every trainer for it.

    Raises:
        PipelineError: more than one epoch; one of several processes, each of which would learn from its own share.
    """

    def __init__(
        self,
        device: torch.device,
        network: Estimator,
        train_data_loader: DataLoader,
        prepare_batch: Callable[..., Any],
        train_handlers: Sequence[Any] = (),
        max_epochs: int = 1,
    ) -> None:
        if max_epochs != 1:
            raise PipelineError(
                f"a method without gradients sees every slice once: max_epochs must be 1, got {max_epochs}"
            )
        if idist.get_world_size() > 1:
            raise PipelineError("a method without gradients is fitted in one process: leave the preset multi_gpu out")
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            prepare_batch=prepare_batch,
            handlers=train_handlers,
            decollate=False,
        )
        self.network = network
        self.add_event_handler(Events.EPOCH_STARTED, self._go_on)  # behind MONAI's, which sets the sampler's epoch
        show_progress(self, "fit", "batch")

    def _go_on(self, engine: Trainer) -> None:
        """Leave out the batches that a checkpoint has seen."""
        loader: Any = self.data_loader
        left = [*loader.batch_sampler][engine.state.iteration :]
        engine.state.dataloader = DataLoader(loader.dataset, batch_sampler=left, num_workers=loader.num_workers)

    def _iteration(self, engine: Trainer, batchdata: dict[str, Any]) -> dict[str, Any]:
        image, batch = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        self.network.eval()
        with torch.no_grad():
            self.network.partial_fit(image, batch)
            if engine.state.iteration == engine.state.epoch_length:
                self.network.finish()
        return {"image": image, "label": batch}
