"""What a method without gradients learns: figures of normal images, kept as the buffers of a module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from pipeline.contracts import Batch


class Estimator(nn.Module, ABC):
    """A network that sees every training image once (`partial_fit`) and is ready after the last (`finish`).

    What it has learnt lies in buffers, so that checkpoints and `model.pt` hold it. They may grow: when weights are
    loaded, buffers take the shape that the weights have. `pipeline.engines.Fit` calls it without gradients, in
    evaluation mode, with the same batches and random draws whether or not the run was interrupted.
    """

    @abstractmethod
    def partial_fit(self, image: torch.Tensor, batch: Batch) -> None:
        """Take in a batch.

        Args:
            image: [N, 1, H, W] in [0, 1], what `prepare_batch` made of it.
            batch: the same slices with their masks, on the same device.
        """

    def finish(self) -> None:
        """Called once, after the last batch; nothing is to be done where the buffers are ready as they are."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, buffer in self.named_buffers(recurse=False):
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
