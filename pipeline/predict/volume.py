"""A prepared scan as the network sees it, and its anomaly map over the whole volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.data import erode

if TYPE_CHECKING:
    from torch import nn

    from pipeline.inferers import Scorer


@dataclass(frozen=True)
class Network:
    """What scores a volume: network, inferer and post-processing, and the region where they were measured."""

    network: nn.Module
    scorer: Scorer
    device: torch.device
    seed: int
    erosion_mm: float
    erosion_px: int | None


@dataclass(frozen=True)
class Slices:
    """All axial slices with tissue of one prepared scan.

    Args:
        image: [N, H, W] float32 in [0, 1].
        brain: [N, H, W] bool.
        affine: voxel of the volume [H, W, N] → mm of the atlas (RAS), 4×4.
        z: [N], the slice of the atlas that each lies in.
        lesion: [N, H, W] bool, the label; None without one.
    """

    image: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    z: NDArray[np.int_]
    lesion: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class ScoredVolume:
    """The anomaly map of one scan on the grid of the network.

    Args:
        scores: [H, W, N] float32, 0 outside the brain.
        brain, support: [H, W, N] bool; the support is where the method is measured, the brain without its rim.
        affine: voxel → mm of the atlas (RAS), 4×4.
    """

    scores: NDArray[np.float32]
    brain: NDArray[np.bool_]
    support: NDArray[np.bool_]
    affine: NDArray[np.float64]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL, in the size of the atlas."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000)


def score_volume(model: Network, slices: Slices) -> ScoredVolume:
    """The anomaly map of a whole volume; the same for the same scan, whatever was scored before it."""
    image = torch.from_numpy(np.ascontiguousarray(slices.image, np.float32))[:, None].to(model.device)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(model.seed)
        anomaly = model.scorer.map(image, model.network, torch.from_numpy(slices.z).to(model.device))
    scores = np.where(slices.brain, anomaly[:, 0].float().cpu().numpy(), 0).astype(np.float32)
    spacing = tuple(float(size) for size in np.linalg.norm(slices.affine[:3, :2], axis=0))
    support = np.stack([_support(model, brain, spacing) for brain in slices.brain])
    return ScoredVolume(_stacked(scores), _stacked(slices.brain), _stacked(support), slices.affine)


def _stacked(slices: NDArray[Any]) -> NDArray[Any]:
    """[N, H, W] → [H, W, N]."""
    return np.moveaxis(slices, 0, 2)


def _support(model: Network, brain: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.bool_]:
    if model.erosion_px is not None:
        from scipy.ndimage import binary_erosion

        return binary_erosion(brain, np.ones((model.erosion_px, model.erosion_px)))
    return erode(brain, model.erosion_mm, spacing)
