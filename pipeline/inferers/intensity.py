"""The floors: anomaly maps that need no network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pipeline.contracts import Scored
from pipeline.errors import check_choice
from pipeline.inferers.smoothing import check_sigma, smooth_in_plane

SCOPES = ("volume", "slice")


@dataclass(frozen=True)
class Intensity:
    """The image itself, or after a Gaussian: what a plain threshold sees.

    The Gaussian is normalised by the smoothed brain mask, so that the rim of the brain is not darkened.

    Args:
        sigma_mm: standard deviation of the in-plane Gaussian in mm; 0 = none.
        spacing_mm: in-plane pixel size in mm.

    Raises:
        PipelineError: negative sigma.

    Source: "Thresh." of Bercea et al. 2022.

    Example:
        >>> Intensity()(torch.tensor([[[[0.0, 0.5, 1.0]]]])).map.tolist()
        [[[[0.0, 0.5, 1.0]]]]
        >>> flat = torch.full((1, 1, 7, 7), 0.5)
        >>> Intensity(sigma_mm=1.0)(flat).map.unique().round(decimals=4).tolist()  # the rim is not darkened
        [0.5]
    """

    sigma_mm: float = 0.0
    spacing_mm: float = 1.0

    def __post_init__(self) -> None:
        check_sigma(self.sigma_mm)

    def __call__(self, inputs: torch.Tensor, network: object = None) -> Scored:
        """The slices `inputs` [N, 1, H, W] in [0, 1]; smoothed ones are 0 where the image is not positive."""
        if self.sigma_mm == 0:
            return Scored(inputs)
        brain = inputs > 0
        return Scored(smooth_in_plane(inputs, brain, self.sigma_mm / self.spacing_mm) * brain)


@dataclass(frozen=True)
class HistogramRank:
    """Histogram equalisation over the brain: `F(v) = #{brain ≤ v} / #brain`.

    The brain is where the image is positive; elsewhere the map is 0. A Gaussian before the ranking is normalised
    by the smoothed brain mask, so that the rim of the brain is not darkened.

    Args:
        sigma_mm: standard deviation of the in-plane Gaussian in mm; 0 = none.
        spacing_mm: in-plane pixel size in mm.
        scope: ranks among the brain of the whole `volume`, or of each `slice` by itself.

    Raises:
        PipelineError: negative sigma, or another scope.

    Source: Meissen et al. 2021.

    Example:
        >>> slices = torch.tensor([[[[0.0, 0.1, 0.7]]], [[[0.0, 0.3, 0.9]]]])  # two slices, two brain pixels each
        >>> HistogramRank()(slices).map.flatten().tolist()
        [0.0, 0.25, 0.75, 0.0, 0.5, 1.0]
        >>> HistogramRank(scope="slice")(slices).map.flatten().tolist()
        [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]
    """

    sigma_mm: float = 0.0
    spacing_mm: float = 1.0
    scope: str = "volume"

    def __post_init__(self) -> None:
        check_sigma(self.sigma_mm)
        check_choice("scope", self.scope, SCOPES)

    def __call__(self, inputs: torch.Tensor, network: object = None) -> Scored:
        """Ranks [N, 1, H, W] in [0, 1] of one volume's slices `inputs` [N, 1, H, W]."""
        brain = inputs > 0
        values = inputs
        if self.sigma_mm > 0:
            values = smooth_in_plane(inputs, brain, self.sigma_mm / self.spacing_mm)
        if self.scope == "volume":
            return Scored(_rank(values, brain))
        return Scored(torch.cat([_rank(*pair) for pair in zip(values.split(1), brain.split(1), strict=True)]))


def _rank(values: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    ordered = values[brain].sort().values
    ranks = torch.searchsorted(ordered, values.contiguous(), right=True) / brain.sum().clamp_min(1)
    return ranks.float() * brain
