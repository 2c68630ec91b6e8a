"""deepbet: the default for MRI."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.space.grid import Volume
from preprocessing.strippers.tools import restore, upper_head


class Deepbet:
    """deepbet (Fisch et al. 2024, Hum Brain Mapp): a 3-D LinkNet on MRI heads; its weights are inside the package.

    deepbet squeezes the whole field of view to 128³ voxels to find the brain. With much air or neck around it, or when
    the head is rotated, it misses parts of the brain, so it gets the box around the upper head.

    Args:
        threshold: probability from which a voxel is brain.
        dilate: layers of voxels of 1 mm added to (negative: taken from) the mask.
    """

    def __init__(self, threshold: float = 0.5, dilate: int = 0) -> None:
        self.threshold = threshold
        self.dilate = dilate

    @cached_property
    def _model(self) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*torch\.jit\.load.*", category=DeprecationWarning)
            from deepbet.bet import BrainExtraction

            return BrainExtraction(no_gpu=True)

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        head = upper_head(image, affine)
        file = nib.Nifti1Image(head.array, head.affine)
        try:
            _, mask, _ = self._model.run(file, None, None, None, self.threshold, self.dilate)
        except (AssertionError, ValueError, IndexError) as error:  # what an empty prediction raises inside deepbet
            raise PreprocessingError(f"deepbet finds no brain ({error})") from error
        return restore(Volume(np.asarray(mask.dataobj) > 0, head.affine), affine, image.shape)
