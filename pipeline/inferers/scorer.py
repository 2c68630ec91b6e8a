"""The whole way from a volume's slices to its anomaly map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from monai.inferers import Inferer


class Choices(Protocol):
    """What sets the parameters of an inferer that calibration chose."""

    def apply(self, inferer: Inferer) -> None: ...


class Scorer(Inferer):
    """A method's inferer with the parameters that calibration chose, then post-processing.

    Args:
        inferer: `(slices [N, 1, H, W], network) -> map [N, 1, H, W]`.
        postprocessing: callables `(map, slices) -> map`, applied in order; the same for all rows of a table.
        tuning: sets parameters of the inferer before it is used; None leaves them.
    """

    def __init__(
        self,
        inferer: Inferer,
        postprocessing: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = (),
        tuning: Choices | None = None,
    ) -> None:
        super().__init__()
        self.inferer = inferer
        self.postprocessing = postprocessing
        self.tuning = tuning

    @property
    def last_drawn(self) -> torch.Tensor | None:
        """The image [N, 1, H, W] that the latest map is the residual of; None where the inferer leaves none."""
        return getattr(self.inferer, "last_drawn", None)

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Map [N, 1, H, W] of all slices `inputs` [N, 1, H, W] of one volume."""
        if self.tuning is not None:
            self.tuning.apply(self.inferer)
        anomaly = self.inferer(inputs, network, *args, **kwargs)
        for step in self.postprocessing:
            anomaly = step(anomaly, inputs)
        return anomaly
