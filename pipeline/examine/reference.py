"""Images, lesions and maps of the scans that were measured, from the folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pipeline.errors import PipelineError


def volume(path: Path) -> np.ndarray:
    """A volume [H, W, N] that the stage `evaluate` wrote.

    Raises:
        PipelineError: it is not there.
    """
    if not path.is_file():
        raise PipelineError(f"no '{path}': the stage evaluate writes it; evaluate the method again")
    return np.asarray(_load(path).dataobj)


def spacing_ml(path: Path) -> float:
    """Volume of a voxel of that file, in mL."""
    return float(abs(np.linalg.det(_load(path).affine[:3, :3]))) / 1000


def reference(runs: str | Path, scan: str, what: str) -> Path:
    """Path of the `image`, the `lesion` or the `support` of a scan, which all runs of a folder share."""
    return Path(runs) / "reference" / f"{scan}_{what}.nii.gz"


def _load(path: Path) -> Any:
    return nib.load(path)
