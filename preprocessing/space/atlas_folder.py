"""The folder of an atlas: names of its files, and atlases of the user's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preprocessing.errors import PreprocessingError
from preprocessing.io.nifti import load_volume

HEAD, BRAIN, MASK, T2 = "head.nii.gz", "brain.nii.gz", "mask.nii.gz", "brain_T2.nii.gz"


@dataclass(frozen=True)
class Atlas:
    """Paths of the atlas on one grid: T1 with skull, T1 without, brain mask, T2 without skull if there is one.

    SRI-24 has 240×240×155 voxels of 1 mm in RAS order; `space` names the grid in file names and in the manifest.
    """

    head: Path
    brain: Path
    mask: Path
    folder: Path
    space: str = "SRI24"
    t2: Path | None = None

    @property
    def config(self) -> dict[str, str | None]:
        """The noun `atlas` of a configuration."""
        t2 = None if self.t2 is None else str(self.t2)
        return {"brain": str(self.brain), "T2": t2, "mask": str(self.mask), "space": self.space}

    @property
    def files(self) -> tuple[Path, ...]:
        """What prepared scans depend on."""
        return tuple(path for path in (self.brain, self.t2, self.mask) if path is not None)


def own_atlas(folder: Path) -> Atlas:
    """Another atlas: `brain.nii.gz`, `mask.nii.gz`, optional `brain_T2.nii.gz`, and `head.nii.gz` for sample cohorts.

    Its space is the folder's name, letters and digits only.

    Raises:
        PreprocessingError: a file is unreadable, they lie on different grids, the mask is empty, or there is no name.
    """
    space = re.sub(r"[^A-Za-z0-9]", "", folder.resolve().name)
    if not space:
        raise PreprocessingError(f"{folder}: the folder of an atlas names its space; it needs a letter or a digit")
    atlas = Atlas(folder / HEAD, folder / BRAIN, folder / MASK, folder, space, t2_of(folder))
    array, affine = load_volume(atlas.mask)
    if not array.any():
        raise PreprocessingError(f"{atlas.mask}: the brain mask is empty")
    for path in filter(None, (atlas.brain, atlas.t2)):
        other, other_affine = load_volume(path)
        if other.shape != array.shape or not np.allclose(other_affine, affine, atol=1e-3):
            raise PreprocessingError(f"{path}: not on the grid of {MASK}; the files of an atlas share one grid")
    return atlas


def t2_of(folder: Path) -> Path | None:
    """The T2 image of an atlas folder, where the user put one."""
    return folder / T2 if (folder / T2).is_file() else None
