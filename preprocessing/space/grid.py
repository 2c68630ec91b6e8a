"""An array with its affine, and the atlas grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import MetaTensor

from preprocessing.io.nifti import load_volume


@dataclass(frozen=True)
class Volume:
    """array [X, Y, Z] and affine (voxel → mm, RAS)."""

    array: np.ndarray
    affine: np.ndarray

    @classmethod
    def of(cls, tensor: MetaTensor) -> Volume:
        """The only channel of a MetaTensor [1, X, Y, Z]."""
        return cls(tensor[0].numpy(), np.asarray(tensor.affine, dtype=np.float64))


@lru_cache(maxsize=4)
def load_grid(path: Path) -> Volume:
    """A NIfTI volume in RAS order; kept, since each scan of a process needs the same atlas."""
    array, affine = load_volume(path)
    image = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return Volume(np.ascontiguousarray(image.dataobj, dtype=np.float32), image.affine)
