"""Residuals of a restoration in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipeline.contracts import Restorer, Scored
from pipeline.inferers.chunks import CHUNK, scored_by_chunks
from pipeline.inferers.residual import PARTS, check_part
from pipeline.inferers.smoothing import check_sigma, smooth_volume
from pipeline.precision import autocast


@dataclass(frozen=True)
class OneStepResidual:
    """`G ∗ mean_t part(x − P(x, t))`, P the network's restoration of a corruption of degree t.

    The Gaussian G works in the volume that the slices make, within the brain, which is where the image is positive.

    Args:
        degrees: t, each in [0, 1].
        part: of the residual, see `PARTS`.
        sigma_mm: standard deviation of G along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.
        chunk: slices at work at a time; None takes all at once.
        precision: of the network's passes, see `pipeline.precision`.

    Raises:
        PipelineError: another part, or negative sigma.

    Source: Naval Marimont et al. 2023.

    Example:
        >>> darker = lambda image, degree: image - degree.view(-1, 1, 1, 1)
        >>> OneStepResidual(degrees=(0.25, 0.75))(torch.ones(1, 1, 1, 1), darker).map.item()
        0.5
    """

    degrees: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
    part: str = "absolute"
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
    chunk: int | None = CHUNK
    precision: str = "fp32"

    def __post_init__(self) -> None:
        check_part(self.part)
        check_sigma(*(self.sigma_mm or ()))

    def __call__(self, inputs: torch.Tensor, network: Restorer) -> Scored:
        """Map, and mean of P over t, of the slices `inputs` [N, 1, H, W] in [0, 1]."""
        scored = scored_by_chunks(lambda image: self._score(image, network), inputs, self.chunk)
        return scored._replace(map=smooth_volume(scored.map, inputs > 0, self.sigma_mm, self.spacing_mm))

    def _score(self, image: torch.Tensor, network: Restorer) -> Scored:
        with autocast(self.precision, image.device):
            drawn = [network(image, image.new_full((len(image),), degree)).float() for degree in self.degrees]
        parts = [PARTS[self.part](image - one) for one in drawn]
        return Scored(torch.stack(parts).mean(dim=0), torch.stack(drawn).mean(dim=0))
