"""One deformation of image and label, then another acquisition of the image: what painting leaves no trace in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

MEDIAN = 0.4  # of a prepared brain
DARKEST = 1e-3  # the brain stays where the image is positive


class Acquired(NamedTuple):
    """image: in [0, 1]. label: in [0, 1]. brain: bool. All [N, 1, H, W]."""

    image: Tensor
    label: Tensor
    brain: Tensor


class Acquisition:
    """Deforms slices, then draws their contrast, bias field, sharpness and noise anew.

    The deformation is affine (σ 0.05) and elastic (a grid of 7 × 7, σ 0.025 of half the frame); with probability ½ a
    lesion also pushes its surroundings away. It is one for image, label and brain. Then the image alone:
    `m (x / m)^γ · g · (1 + b)`, m = 0.4, log γ ~ N(0, 0.18), g ~ U(0.92, 1.08), b a smooth field of σ 0.06; a random
    share of a 3 × 3 mean; noise of σ ≤ 0.025. All draws come from torch's generator.
    """

    def __call__(
        self, image: Tensor, label: Tensor, brain: Tensor, centres: Sequence[tuple[int, int] | None]
    ) -> Acquired:
        """Of slices [N, 1, H, W]; `centres` are rows and columns of lesions, None where there is none."""
        grid = self._grid(image.shape, centres)
        warped = grid_sample(torch.cat([image, label, brain.float()], 1), grid, mode="bilinear", align_corners=False)
        image, label, share = warped.split(1, dim=1)
        brain = share > 0.75
        image = self._contrast(image / share.clamp_min(0.5))
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
        image = image * (1 + bias)
        share = (torch.rand(number, 1, 1, 1) < 0.4) * _uniform(number, 0, 0.8)
        image = torch.lerp(image, avg_pool2d(pad(image, (1,) * 4, mode="replicate"), 3, 1), share)
        return image + _uniform(number, 0, 0.025) * torch.randn_like(image)


def push(grid: Tensor, centre: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Sampling places [H, W, 2] that enlarge what lies at `centre`: `p + (q − p)(1 − a exp(−‖q − p‖² / 2 s²))`."""
    here = torch.tensor([(2 * centre[1] + 1) / size[1] - 1, (2 * centre[0] + 1) / size[0] - 1])
    away = grid - here
    strength, width = torch.empty(()).uniform_(0.05, 0.35), torch.empty(()).uniform_(0.1, 0.3)
    return here + away * (1 - strength * torch.exp(-away.square().sum(-1, keepdim=True) / (2 * width**2)))


def _uniform(number: int, low: float, high: float) -> Tensor:
    return torch.empty(number, 1, 1, 1).uniform_(low, high)
