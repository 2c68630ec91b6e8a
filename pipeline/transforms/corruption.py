"""Corruptions that a network learns to undo."""

from __future__ import annotations

from typing import Any

import torch

from pipeline.errors import PipelineError


class MaskedSquares:
    """Paints squares of one value into each image; the masked area is exactly `count · round(side · H)²` pixels.

    The squares are cells of a grid with a random offset, drawn without replacement, those with their centre in the
    brain first, so they neither overlap nor leave the frame.

    Args:
        count: squares an image. side: of a square, as a share of the image's height. value: painted.

    Raises:
        PipelineError: so many squares do not fit side by side.

    Source: context encoding, Zimmerer et al. 2019. Number and size are options here; the paper draws both.
    """

    def __init__(self, count: int = 3, side: float = 0.125, value: float = 0.0) -> None:
        if not 0 < side <= 1 or not 0 < count <= int(1 / side) ** 2:
            raise PipelineError(f"{count} squares of side {side} do not fit side by side: lower count or side")
        self.count = count
        self.side = side
        self.value = value

    def __call__(self, batch: dict[str, Any]) -> torch.Tensor:
        """Masked copy of `batch["image"]` [N, 1, H, W], which stays as it is; `brain` [N, 1, H, W] bool."""
        image = batch["image"].clone()
        side = max(1, round(self.side * image.shape[-2]))
        for slice_, brain in zip(image[:, 0], batch["brain"][:, 0], strict=True):
            for row, column in self._corners(brain, side):
                slice_[row : row + side, column : column + side] = self.value
        return image

    def _corners(self, brain: torch.Tensor, side: int) -> list[tuple[int, int]]:
        cells = [length // side for length in brain.shape]
        offsets = [int(torch.randint(length % side + 1, ())) for length in brain.shape]
        rows, columns = (offset + side * torch.arange(n) for offset, n in zip(offsets, cells, strict=True))
        corners = torch.cartesian_prod(rows, columns)
        corners = corners[torch.randperm(len(corners))]
        inside = brain.cpu()[corners[:, 0] + side // 2, corners[:, 1] + side // 2]
        chosen = torch.cat([corners[inside], corners[~inside]])[: self.count]
        return [(row, column) for row, column in chosen.tolist()]
