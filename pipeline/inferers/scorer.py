"""The whole way from a volume's slices to its anomaly map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from monai.inferers import Inferer

from pipeline.contracts import MapInferer, PlacedInferer, Scored
from pipeline.errors import PipelineError


class Choices(Protocol):
    """What calibration chose.

    Example:
        >>> from dataclasses import replace
        >>> from pipeline.inferers import HistogramRank
        >>> class Chosen(Choices):
        ...     def tuned(self, inferer):
        ...         return replace(inferer, sigma_mm=2.0)
        >>> Chosen().tuned(HistogramRank())
        HistogramRank(sigma_mm=2.0, spacing_mm=1.0, scope='volume')
    """

    def tuned(self, inferer: MapInferer | PlacedInferer) -> MapInferer | PlacedInferer:
        """An inferer like the given one, with the chosen parameters."""


@dataclass(frozen=True)
class Scorer(Inferer):
    """A method's inferer with the parameters that calibration chose, then post-processing of its map.

    Args:
        inferer: `(slices [N, 1, H, W], network) -> Scored`. One that returns a tensor, as MONAI's do, has a map alone.
            A PlacedInferer is told the heights of the slices first.
        postprocessing: steps `(map, slices) -> map`, applied in order; the same for all rows of a table.
        tuning: gives the inferer with the chosen parameters; None: the inferer as it is.

    Example:
        >>> from pipeline.inferers import HistogramRank
        >>> from pipeline.transforms import HyperintensityPrior
        >>> slices = torch.tensor([[[[0.0, 0.2, 0.4, 0.6, 0.8]]]])
        >>> scorer = Scorer(HistogramRank(), postprocessing=[HyperintensityPrior(50)])
        >>> scorer(slices, network=None).map.flatten().tolist()
        [0.0, 0.0, 0.0, 0.75, 1.0]

        An inferer may also be a function that returns a tensor:

        >>> Scorer(lambda slices, network: network(slices)).map(slices, torch.nn.Identity()).flatten().tolist()
        [0.0, 0.20000000298023224, 0.4000000059604645, 0.6000000238418579, 0.800000011920929]
    """

    inferer: MapInferer | PlacedInferer
    postprocessing: Sequence[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = ()
    tuning: Choices | None = None

    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., Any],
        *args: Any,
        z: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Scored:
        """What is found in all slices of one volume.

        Args:
            inputs: the slices, [N, 1, H, W] in [0, 1].
            network: in evaluation mode.
            z: heights of the slices in the atlas, [N]; only a PlacedInferer needs them.
            args: go to the inferer, as `kwargs` do.

        Raises:
            PipelineError: a PlacedInferer without heights.
        """
        inferer = self._at(z)
        found: Any = inferer(inputs, network, *args, **kwargs)
        scored = found if isinstance(found, Scored) else Scored(found)
        anomaly = scored.map
        for step in self.postprocessing:
            anomaly = step(anomaly, inputs)
        return scored._replace(map=anomaly)

    def map(self, inputs: torch.Tensor, network: Callable[..., Any], z: torch.Tensor | None = None) -> torch.Tensor:
        """The map [N, 1, H, W] alone, for what wants one tensor: MONAI's verbs, export and serving."""
        return self(inputs, network, z=z).map

    def _at(self, z: torch.Tensor | None) -> MapInferer:
        inferer = self.inferer if self.tuning is None else self.tuning.tuned(self.inferer)
        if not isinstance(inferer, PlacedInferer):
            return inferer
        if z is None:
            raise PipelineError(f"{type(inferer).__name__} needs the heights of the slices in the atlas: give z")
        return inferer.at(z)
