"""Regions of a batch over which a constraint on attention is taken: `batch -> [N, 1, H, W] bool`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import max_pool2d, pad

from pipeline.contracts import Batch

EROSION = 6


def image_brain(batch: Batch) -> torch.Tensor:
    """The brain of each image, `batch["brain"]`."""
    return batch["brain"]


def whole_frame(batch: Batch) -> torch.Tensor:
    """Every pixel."""
    return torch.ones_like(batch["brain"])


def batch_mask(batch: Batch) -> torch.Tensor:
    """One mask for the batch, as in the published code: union of the non-zero pixels, eroded by 6 × 6.

    The even element is asymmetric (offsets −3 … 2), and what lies beyond the frame counts as outside. On several ranks
    each has the mask of its own images.
    """
    outside = (batch["image"] == 0).all(dim=0, keepdim=True).to(batch["image"].dtype)
    before, after = EROSION // 2, (EROSION - 1) // 2
    near = max_pool2d(pad(outside, (before, after, before, after), value=1.0), EROSION, stride=1)
    return (near == 0).expand_as(batch["brain"])


REGIONS: dict[str, Callable[[Batch], torch.Tensor]] = {
    "brain": image_brain,
    "batch_mask": batch_mask,
    "frame": whole_frame,
}
