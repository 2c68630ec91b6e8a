"""The whole way from a volume's slices to its anomaly map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from monai.inferers import Inferer

from pipeline.contracts import MapInferer, Scored


class Choices(Protocol):
    """What calibration chose."""

    def tuned(self, inferer: MapInferer) -> MapInferer:
        """An inferer like the given one, with the chosen parameters."""


@dataclass(frozen=True)
class Scorer(Inferer):
    """A method's inferer with the parameters that calibration chose, then post-processing of its map.

    Args:
        inferer: `(slices [N, 1, H, W], network) -> Scored`. One that returns a tensor, as MONAI's do, has a map alone.
        postprocessing: steps `(map, slices) -> map`, applied in order; the same for all rows of a table.
        tuning: gives the inferer with the chosen parameters; None: the inferer as it is.

    >>> Scorer(lambda slices, network: network(slices)).map(torch.ones(1, 1, 2, 2), torch.nn.Identity()).mean()
    tensor(1.)
    """

    inferer: MapInferer
    postprocessing: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = ()
    tuning: Choices | None = None

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Scored:
        """What is found in all slices `inputs` [N, 1, H, W] of one volume; further arguments go to the inferer."""
        inferer = self.inferer if self.tuning is None else self.tuning.tuned(self.inferer)
        found: Any = inferer(inputs, network, *args, **kwargs)
        scored = found if isinstance(found, Scored) else Scored(found)
        anomaly = scored.map
        for step in self.postprocessing:
            anomaly = step(anomaly, inputs)
        return scored._replace(map=anomaly)

    def map(self, inputs: torch.Tensor, network: Callable[..., Any]) -> torch.Tensor:
        """The map [N, 1, H, W] alone, for what wants one tensor: MONAI's verbs, export and serving."""
        return self(inputs, network).map
