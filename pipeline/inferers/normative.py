"""Maps of the plain statistics of normal brains: standard scores and projections, smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from pipeline.contracts import MapInferer, PlacedDetector, Scored
from pipeline.inferers.residual import PARTS, check_part
from pipeline.inferers.smoothing import check_sigma, smooth_volume


class Projection(Protocol):
    """Projects slices [N, 1, H, W] at heights z [N] on its first components.

    Example:
        >>> on_black: Projection = lambda image, z, components: torch.zeros_like(image)
        >>> on_black(torch.ones(1, 1, 2, 2), torch.tensor([60]), 3).sum().item()
        0.0
    """

    def __call__(self, image: torch.Tensor, z: torch.Tensor, components: int) -> torch.Tensor: ...


@dataclass(frozen=True)
class StandardScore:
    """`G ∗ part((x − μ) / σ)`, the score of each pixel among normal brains at its place in the atlas.

    The Gaussian G works in the volume that the slices make, within the brain, which is where the image is positive.

    Args:
        part: of the score, see `PARTS`.
        sigma_mm: standard deviation of G along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.

    Raises:
        PipelineError: another part, or negative sigma.

    Example:
        >>> scores = lambda image, z: (image - z.view(-1, 1, 1, 1)) / 2
        >>> slices = torch.full((2, 1, 1, 1), 9.0)
        >>> StandardScore().at(torch.tensor([3, 5]))(slices, scores).map.flatten().tolist()
        [3.0, 2.0]
    """

    part: str = "signed"
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        check_part(self.part)
        check_sigma(*(self.sigma_mm or ()))

    def at(self, z: torch.Tensor) -> MapInferer[PlacedDetector]:
        """The map of slices at the heights z [N] of the atlas."""

        def score(inputs: torch.Tensor, network: PlacedDetector) -> Scored:
            found = PARTS[self.part](network(inputs, z).float())
            return Scored(smooth_volume(found, inputs > 0, self.sigma_mm, self.spacing_mm))

        return score


@dataclass(frozen=True)
class ProjectionResidual:
    """`G ∗ part(x − x̂)`, x̂ the projection on the first principal components of normal slices.

    The Gaussian G works in the volume that the slices make, within the brain, which is where the image is positive.

    Args:
        components: how many.
        part: of the residual, see `PARTS`.
        sigma_mm: standard deviation of G along the rows, the columns and the slices in mm; None = none.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.

    Raises:
        PipelineError: another part, or negative sigma.

    Source: Saase et al. 2020.

    Example:
        >>> mean_brain = lambda image, z, components: torch.full_like(image, 0.5)
        >>> inferer = ProjectionResidual(components=1).at(torch.tensor([60]))
        >>> inferer(torch.tensor([[[[0.25, 1.0]]]]), mean_brain).map.flatten().tolist()
        [-0.25, 0.5]
    """

    components: int
    part: str = "signed"
    sigma_mm: Sequence[float] | None = None
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        check_part(self.part)
        check_sigma(*(self.sigma_mm or ()))

    def at(self, z: torch.Tensor) -> MapInferer[Projection]:
        """The map and x̂ of slices at the heights z [N] of the atlas."""

        def score(inputs: torch.Tensor, network: Projection) -> Scored:
            drawn = network(inputs, z, self.components).float()
            found = PARTS[self.part](inputs - drawn) * (inputs > 0)
            return Scored(smooth_volume(found, inputs > 0, self.sigma_mm, self.spacing_mm), drawn)

        return score
