"""A Gaussian over the brain of a volume, which does not darken the brain's rim."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers import GaussianFilter

from pipeline.errors import PipelineError


def check_sigma(*sigma_mm: float) -> None:
    """Raise PipelineError for a Gaussian of negative width.

    Args:
        sigma_mm: standard deviations in mm.

    Example:
        >>> check_sigma(2.5, -1.0)
        Traceback (most recent call last):
        pipeline.errors.PipelineError: sigma_mm must be ≥ 0, got -1.0
    """
    for sigma in sigma_mm:
        if sigma < 0:
            raise PipelineError(f"sigma_mm must be ≥ 0, got {sigma}")


def smooth_in_plane(values: torch.Tensor, brain: torch.Tensor, sigma: float) -> torch.Tensor:
    """`G ∗ v / G ∗ B` in each slice.

    Args:
        values: v, [N, 1, H, W], 0 outside the brain.
        brain: B, [N, 1, H, W] bool.
        sigma: standard deviation of the Gaussian in pixels.

    Example:
        >>> flat = torch.full((1, 1, 8, 8), 0.4)
        >>> brain = torch.ones(1, 1, 8, 8, dtype=torch.bool)
        >>> torch.allclose(smooth_in_plane(flat, brain, sigma=2.0), flat)  # the rim is as bright as the middle
        True
    """
    smooth = GaussianFilter(2, sigma).to(values.device)
    return smooth(values) / smooth(brain.float()).clamp_min(1e-6)


def smooth_volume(
    values: torch.Tensor, brain: torch.Tensor, sigma_mm: Sequence[float] | None, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """`G ∗ (v B) / G ∗ B · B` in the volume that the slices make.

    Args:
        values: v, [N, 1, H, W], the slices of one volume from bottom to top.
        brain: B, [N, 1, H, W] bool.
        sigma_mm: standard deviation of the Gaussian along the rows, the columns and the slices in mm; None: v itself.
        spacing_mm: size of a voxel along the rows, the columns and the slices in mm.

    Example:
        >>> flat = torch.full((5, 1, 8, 8), 0.4)
        >>> brain = torch.zeros(5, 1, 8, 8, dtype=torch.bool)
        >>> brain[:, :, 2:6, 2:6] = True
        >>> smoothed = smooth_volume(flat, brain, sigma_mm=(2.0, 2.0, 3.0), spacing_mm=(1.0, 1.0, 3.0))
        >>> torch.allclose(smoothed, flat * brain)  # the rim is as bright as the middle
        True
    """
    if sigma_mm is None:
        return values
    rows, columns, slices = (sigma / spacing for sigma, spacing in zip(sigma_mm, spacing_mm, strict=True))
    smooth = GaussianFilter(3, [slices, rows, columns]).to(values.device)
    pair = torch.stack([values * brain, brain.to(values.dtype)])[:, None, :, 0]
    above, below = (volume[0][:, None] for volume in smooth(pair))
    return above / below.clamp_min(1e-6) * brain
