"""The floors: anomaly maps that need no network."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer
from monai.networks.layers import GaussianFilter

from pipeline.errors import PipelineError, check_choice

SCOPES = ("volume", "slice")


class Intensity(Inferer):
    """The image itself: what a plain threshold sees ("Thresh." of Bercea et al. 2022)."""

    def __call__(self, inputs: torch.Tensor, network: Any = None, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The slices `inputs` [N, 1, H, W], unchanged."""
        return inputs


class HistogramRank(Inferer):
    """Histogram equalisation over the brain (Meissen et al. 2021): `F(v) = #{brain ≤ v} / #brain`.

    The brain is where the image is positive; elsewhere the map is 0. A Gaussian before the ranking is normalised
    by the smoothed brain mask, so that the rim of the brain is not darkened.

    Args:
        sigma_mm: standard deviation of the in-plane Gaussian in mm; 0 = none.
        spacing_mm: in-plane pixel size in mm.
        scope: ranks among the brain of the whole `volume`, or of each `slice` by itself.

    Raises:
        PipelineError: negative sigma, or another scope.
    """

    def __init__(self, sigma_mm: float = 0.0, spacing_mm: float = 1.0, scope: str = "volume") -> None:
        super().__init__()
        if sigma_mm < 0:
            raise PipelineError(f"sigma_mm must be ≥ 0, got {sigma_mm}")
        check_choice("scope", scope, SCOPES)
        self.sigma_mm = sigma_mm
        self.spacing_mm = spacing_mm
        self.scope = scope

    def __call__(self, inputs: torch.Tensor, network: Any = None, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Ranks [N, 1, H, W] in [0, 1] of one volume's slices `inputs` [N, 1, H, W]."""
        brain = inputs > 0
        values = inputs
        if self.sigma_mm > 0:
            smooth = GaussianFilter(2, self.sigma_mm / self.spacing_mm).to(inputs.device)
            values = smooth(inputs) / smooth(brain.float()).clamp_min(1e-6)
        if self.scope == "volume":
            return _rank(values, brain)
        return torch.cat([_rank(*pair) for pair in zip(values.split(1), brain.split(1), strict=True)])


def _rank(values: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
    ordered = values[brain].sort().values
    ranks = torch.searchsorted(ordered, values.contiguous(), right=True) / max(len(ordered), 1)
    return ranks.float() * brain
