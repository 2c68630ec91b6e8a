"""One deformation of image and label, then another acquisition of the image: what painting leaves no trace in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, interpolate

MEDIAN = 0.4  # of a prepared brain
DARKEST = 1e-3  # the brain stays where the image is positive
SHARP = 1e-3  # pixels, the σ that changes nothing


class Acquired(NamedTuple):
    """image: in [0, 1]. label: in [0, 1]. brain: bool. All [N, 1, H, W]."""

    image: Tensor
    label: Tensor
    brain: Tensor


class Acquisition:
    """Deforms slices, then draws their contrast, bias field, sharpness and noise anew.

    The deformation is affine (σ 0.05) and elastic (a grid of 7 × 7, σ 0.025 of half the frame); with probability ½ a
    lesion also pushes its surroundings away. It is one for image, label and brain. Then the image alone:
    `m (x / m)^γ · g · (1 + b)`, m = 0.4, log γ ~ N(0, 0.18), g ~ U(0.92, 1.08), b a smooth field of σ 0.06; for a third
    a Gaussian of 0.3 to 1.6 px within the brain; noise of σ ≤ 0.025. All draws come from torch's generator.
    """

    def __call__(
        self, image: Tensor, label: Tensor, brain: Tensor, centres: Sequence[tuple[int, int] | None]
    ) -> Acquired:
        """Of slices [N, 1, H, W]; `centres` are rows and columns of lesions, None where there is none."""
        grid = self._grid(image.shape, centres)
        warped = grid_sample(torch.cat([image, label, brain.float()], 1), grid, mode="bilinear", align_corners=False)
        image, label, share = warped.split(1, dim=1)
        brain = share > 0.75
        image = less_sharp(self._contrast(image / share.clamp_min(0.5)), brain, _blurs(len(image)))
        image = image + _uniform(len(image), 0, 0.025) * torch.randn_like(image)
        return Acquired(image.clamp(DARKEST, 1) * brain, label * brain, brain)

    def _grid(self, shape: torch.Size, centres: Sequence[tuple[int, int] | None]) -> Tensor:
        number, _, height, width = shape
        identity = torch.eye(2, 3).expand(number, 2, 3)
        grid = affine_grid(identity, [number, 1, height, width], align_corners=False)
        turn = torch.eye(2) + 0.05 * torch.randn(number, 2, 2)
        grid = torch.einsum("nhwi,nji->nhwj", grid, turn) + 0.02 * torch.randn(number, 1, 1, 2)
        elastic = interpolate(
            0.025 * torch.randn(number, 2, 7, 7), size=(height, width), mode="bicubic", align_corners=False
        )
        grid = grid + elastic.permute(0, 2, 3, 1)
        for index, centre in enumerate(centres):
            if centre is not None and torch.rand(()) < 0.5:
                grid[index] = push(grid[index], centre, (height, width))
        return grid

    def _contrast(self, image: Tensor) -> Tensor:
        number, _, height, width = image.shape
        gamma = torch.exp(0.18 * torch.randn(number, 1, 1, 1))
        image = MEDIAN * (image.clamp_min(DARKEST) / MEDIAN) ** gamma * _uniform(number, 0.92, 1.08)
        bias = interpolate(
            0.06 * torch.randn(number, 1, 4, 4), size=(height, width), mode="bicubic", align_corners=False
        )
        return image * (1 + bias)


def push(grid: Tensor, centre: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Sampling places [H, W, 2] that enlarge what lies at `centre`: `p + (q − p)(1 − a exp(−‖q − p‖² / 2 s²))`."""
    here = torch.tensor([(2 * centre[1] + 1) / size[1] - 1, (2 * centre[0] + 1) / size[0] - 1])
    away = grid - here
    strength, width = torch.empty(()).uniform_(0.05, 0.35), torch.empty(()).uniform_(0.1, 0.3)
    return here + away * (1 - strength * torch.exp(-away.square().sum(-1, keepdim=True) / (2 * width**2)))


def less_sharp(image: Tensor, brain: Tensor, sigma: Tensor) -> Tensor:
    """`G ∗ (x b) / G ∗ b` in each slice, as `smooth_in_plane` of the inferers, but with a σ of its own for each.

    Args:
        image: [N, 1, H, W].
        brain: [N, 1, H, W] bool.
        sigma: [N] in pixels; at 0 the slice stays as it is.

    Example:
        >>> image = torch.tensor([0.0, 1.0, 0.0]).reshape(1, 1, 1, 3).repeat(2, 1, 1, 1)
        >>> less_sharp(image, image >= 0, torch.tensor([0.0, 1.0]))[:, 0, 0, 1]
        tensor([1.0000, 0.4519])
    """
    reach = math.ceil(4 * float(sigma.max()))
    steps = torch.arange(-reach, reach + 1.0)
    kernels = torch.exp(-0.5 * (steps / sigma[:, None].clamp_min(SHARP)) ** 2)

    def smoothed(slices: Tensor) -> Tensor:
        """Their weighted sums along rows and columns, each with the kernel of its own slice."""
        for kernel in (kernels[:, None, :, None], kernels[:, None, None, :]):
            slices = conv2d(slices.transpose(0, 1), kernel, padding="same", groups=len(slices)).transpose(0, 1)
        return slices

    weight = smoothed(brain.to(image.dtype))
    return torch.where(brain, smoothed(image * brain) / weight.clamp_min(SHARP), image)


def _blurs(number: int) -> Tensor:
    return (torch.rand(number) < 0.35) * torch.empty(number).uniform_(0.3, 1.6)


def _uniform(number: int, low: float, high: float) -> Tensor:
    return torch.empty(number, 1, 1, 1).uniform_(low, high)
