"""Post-processing of anomaly maps: callables `(map, image) -> map`, both [N, 1, H, W], all slices of one volume.

`str()` of each is its name on the protocol card. The brain is where the image is positive.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage.morphology import area_opening
from torch.nn.functional import pad

from pipeline.errors import PipelineError


class Median:
    """Median over `slices × size × size` voxels: 1 × 3 × 3 is in-plane, 5 × 5 × 5 that of Baur et al. 2021.

    The frame is continued by its outermost voxels. The windows of one slice at a time are held in memory.

    Args:
        size: of the window within a slice, in pixels, odd.
        slices: of the window across slices, odd.

    Raises:
        PipelineError: an even or non-positive size.

    Example:
        >>> anomaly = torch.zeros(1, 1, 5, 5)
        >>> anomaly[0, 0, 2, 2] = 1.0  # a single bright pixel
        >>> float(Median(size=3)(anomaly, image=torch.ones_like(anomaly)).max())
        0.0
    """

    def __init__(self, size: int = 3, slices: int = 1) -> None:
        if size < 1 or slices < 1 or size % 2 == 0 or slices % 2 == 0:
            raise PipelineError(f"the sizes of a median must be odd and positive, got {slices} x {size} x {size}")
        self.size = size
        self.slices = slices

    def __call__(self, anomaly: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        margin, across = self.size // 2, self.slices // 2
        volume = pad(anomaly[None, None, :, 0], (margin,) * 4 + (across,) * 2, mode="replicate")[0, 0]
        done = []
        for index in range(len(anomaly)):
            windows = volume[index : index + self.slices].unfold(1, self.size, 1).unfold(2, self.size, 1)
            done.append(windows.permute(1, 2, 0, 3, 4).flatten(2).median(dim=2).values)
        return torch.stack(done)[:, None]

    def __str__(self) -> str:
        return f"median {self.slices}x{self.size}x{self.size}"


class PositivePart:
    """`max(map, 0)`: of a signed residual, what is brighter than its reconstruction.

    Example:
        >>> anomaly = torch.tensor([[[[-0.5, 0.25]]]])
        >>> PositivePart()(anomaly, image=torch.ones_like(anomaly)).tolist()
        [[[[0.0, 0.25]]]]
    """

    def __call__(self, anomaly: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return anomaly.clamp_min(0)

    def __str__(self) -> str:
        return "positive part"


class AreaOpening:
    """Removes small components from the mask of every threshold at once.

    Thresholding the opened map at any value gives the mask of the map without its 26-connected components below
    `min_ml`, so no threshold has to be chosen here.

    Args:
        min_ml: smallest component that stays, in mL.
        voxel_ml: volume of a voxel, in mL.

    Source: Vincent 1993, Grayscale area openings and closings.

    Example:
        >>> anomaly = torch.zeros(1, 1, 8, 8)
        >>> anomaly[0, 0, 1:3, 1:3] = 0.75  # 4 pixels
        >>> anomaly[0, 0, 6, 6] = 1.0  # 1 pixel
        >>> opened = AreaOpening(min_ml=0.004, voxel_ml=0.001)(anomaly, image=torch.ones_like(anomaly))
        >>> float(opened[0, 0, 1, 1]), float(opened[0, 0, 6, 6])
        (0.75, 0.0)
    """

    def __init__(self, min_ml: float, voxel_ml: float) -> None:
        self.min_ml = min_ml
        self.voxels = int(np.ceil(min_ml / voxel_ml - 1e-9))

    def __call__(self, anomaly: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        volume = (anomaly * (image > 0))[:, 0].cpu().numpy()
        # scikit-image fails on volumes of one or two slices; a slice of the lowest value on both sides changes nothing.
        framed = np.pad(volume, ((1, 1), (0, 0), (0, 0)), constant_values=volume.min())
        opened = area_opening(framed, self.voxels, connectivity=3)[1:-1]
        return torch.from_numpy(opened.copy())[:, None].to(anomaly.device)

    def __str__(self) -> str:
        return f"components below {self.min_ml:g} mL removed"


class HyperintensityPrior:
    """Keeps the map where the image is at least as bright as a percentile of the volume's brain; elsewhere it is
    the map's minimum, at most 0.

    The prior knowledge that lesions are bright in FLAIR (Baur et al. 2021). It cannot find dark lesions.

    Args:
        percentile: of the brain voxels, in [0, 100].

    Example:
        >>> image = torch.tensor([[[[0.1, 0.2, 0.8, 0.9]]]])
        >>> anomaly = torch.tensor([[[[0.5, 0.4, 0.5, 0.4]]]])
        >>> [round(value, 1) for value in HyperintensityPrior(50)(anomaly, image).flatten().tolist()]
        [0.0, 0.0, 0.5, 0.4]
    """

    def __init__(self, percentile: float = 50.0) -> None:
        if not 0 <= percentile <= 100:
            raise PipelineError(f"percentile must be in [0, 100], got {percentile}")
        self.percentile = percentile

    def __call__(self, anomaly: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        brain = image[image > 0]
        if not len(brain):
            return anomaly
        level = np.percentile(brain.cpu().numpy(), self.percentile)
        return torch.where(image >= float(level), anomaly, anomaly.min().clamp_max(0))

    def __str__(self) -> str:
        return f"image at least p{self.percentile:g} of the brain"
