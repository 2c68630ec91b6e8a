"""SynthStrip with weights given by path."""

from __future__ import annotations

import pickle
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.space.geometry import largest, resample
from preprocessing.space.grid import Volume
from preprocessing.strippers.tools import head_mask, require, restore

SIZES = (192, 320)  # voxels of 1 mm; multiples of 64 between them
OUTSIDE = 100.0


class SynthStrip:
    """SynthStrip (Hoopes et al. 2022, NeuroImage), any contrast: a U-Net gives the signed distance to the brain.

    The network is the one of nipreps-synthstrip; the weights (`synthstrip.1.pt`) come with FreeSurfer.

    Args:
        weights: path of the checkpoint.
        border_mm: largest signed distance of a brain voxel.
    """

    def __init__(self, weights: str, border_mm: float = 1.0) -> None:
        self.weights = Path(weights)
        self.border_mm = border_mm

    @cached_property
    def _model(self) -> Any:
        model = require("nipreps.synthstrip.model", "lesionless[synthstrip]").StripModel()
        if not self.weights.is_file():
            raise PreprocessingError(f"{self.weights}: no such file; the weights of SynthStrip come with FreeSurfer")
        try:
            state = torch.load(self.weights, map_location="cpu", weights_only=True)["model_state_dict"]
            model.load_state_dict(state)
        except (RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).split("\n")[0]
            raise PreprocessingError(f"{self.weights}: not the weights of SynthStrip ({reason})") from error
        return model.eval()

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        model = self._model
        head = self._conform(image, affine, head_mask(image))
        value = head.array - head.array.min()
        value = np.clip(value / np.percentile(value, 99), 0, 1).astype(np.float32)
        with torch.no_grad():
            distance = model(torch.from_numpy(value)[None, None])[0, 0].numpy()
        brain = restore(Volume(distance < self.border_mm, head.affine), affine, image.shape)
        return ndimage.binary_fill_holes(largest(brain))

    def _conform(self, image: np.ndarray, affine: np.ndarray, head: np.ndarray) -> Volume:
        """The middle of the head at 1 mm in LIA order, as the network was trained."""
        ends = np.argwhere(head)
        corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        corners[:, :3] = np.where(corners[:, :3], ends.max(axis=0), ends.min(axis=0))
        world = (corners @ affine.T)[:, :3]
        low, high = world.min(axis=0), world.max(axis=0)
        grid = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
        size = np.clip(np.ceil((high - low)[[0, 2, 1]] / 64) * 64, *SIZES).astype(int)
        grid[:3, 3] = (low + high) / 2 - grid[:3, :3] @ ((size - 1) / 2)
        return Volume(resample(image, np.linalg.inv(affine) @ grid, tuple(int(n) for n in size)), grid)
