"""Corruptions that a network learns to undo."""

from __future__ import annotations

import torch

from pipeline.contracts import Batch
from pipeline.errors import PipelineError


class MaskedSquares:
    """Paints squares of one value into each image; the masked area is exactly `count · round(side · H)²` pixels.

    The squares are cells of a grid with a random offset, drawn without replacement, those with their centre in the
    brain first, so they neither overlap nor leave the frame.

    Args:
        count: number of squares in each image.
        side: of a square, as a share of the image's height, in (0, 1].
        value: painted into the squares.

    Raises:
        PipelineError: so many squares do not fit side by side.

    Source: context encoding, Zimmerer et al. 2019. Number and size are options here; the paper draws both.

    Example:
        >>> batch = {"image": torch.ones(1, 1, 32, 32), "brain": torch.ones(1, 1, 32, 32, dtype=torch.bool)}
        >>> masked = MaskedSquares(count=3, side=0.125)(batch)
        >>> int((masked == 0).sum())  # three squares of 4 × 4
        48
    """

    def __init__(self, count: int = 3, side: float = 0.125, value: float = 0.0) -> None:
        if not 0 < side <= 1 or not 0 < count <= int(1 / side) ** 2:
            raise PipelineError(f"{count} squares of side {side} do not fit side by side: lower count or side")
        self.count = count
        self.side = side
        self.value = value

    def __call__(self, batch: Batch) -> torch.Tensor:
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


class PaintedRectangles:
    """Paints bright rectangles on each image, so that a network learns to draw what is healthy below them.

    Each of `count` rectangles is there with probability ½. Its centre is a pixel of the brain, its width is uniform in
    [3, 19] px of an image of 128 px (in proportion at other sizes), its height ⅔ to 4/3 of the width; the frame cuts
    it. Its intensity is one value, uniform between the 75th percentile of the image's brain and 1. An image without
    brain stays as it is.

    Args:
        count: the largest number of rectangles in an image.

    Source: self-supervision of Bercea et al. 2021 (FedDis), as used by Bercea et al. 2022.

    Example:
        >>> batch = {"image": torch.full((8, 1, 64, 64), 0.4), "brain": torch.ones(8, 1, 64, 64, dtype=torch.bool)}
        >>> painted = PaintedRectangles()(batch)
        >>> bool((painted >= batch["image"]).all()), bool((painted > batch["image"]).any())
        (True, True)
    """

    WIDTH = (3 / 128, 19 / 128)
    HEIGHT = (2 / 3, 4 / 3)
    DARKEST = 0.75

    def __init__(self, count: int = 3) -> None:
        if count < 1:
            raise PipelineError(f"the number of painted rectangles must be at least 1, got {count}")
        self.count = count

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Painted copy of `batch["image"]` [N, 1, H, W], which stays as it is; `brain` [N, 1, H, W] bool."""
        image = batch["image"].clone()
        for slice_, brain in zip(image[:, 0], batch["brain"][:, 0], strict=True):
            centres = brain.nonzero()
            painted = int((torch.rand(self.count) < 0.5).sum()) if len(centres) else 0
            darkest = torch.quantile(slice_[brain], self.DARKEST) if painted else torch.zeros(())
            for row, column in centres[torch.randint(max(len(centres), 1), (painted,))].tolist():
                height, width = self._size(brain.shape[-1])
                rows = slice(max(row - height // 2, 0), row - height // 2 + height)
                columns = slice(max(column - width // 2, 0), column - width // 2 + width)
                slice_[rows, columns] = torch.lerp(darkest, torch.ones_like(darkest), torch.rand(()).item())
        return image

    def _size(self, frame: int) -> tuple[int, int]:
        width, height = (torch.empty(()).uniform_(*limits).item() for limits in (self.WIDTH, self.HEIGHT))
        return max(1, round(width * frame * height)), max(1, round(width * frame))
