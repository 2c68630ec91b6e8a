"""A synthetic brain: an ellipsoid with smooth inner structure, sampled on any grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import Transform
from scipy.spatial.transform import Rotation

from preprocessing.config import load_config
from preprocessing.io.loading import LoadScand
from preprocessing.scan import Scan

CENTRE, RADII = np.array([-119.0, 104.0, 77.0]), np.array([64.0, 84.0, 62.0])
ATLAS_SHAPE, ATLAS_AFFINE = (60, 60, 39), np.array([[4.0, 0, 0, -239], [0, 4, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])
LIMITS = {key: value for key, value in load_config("base", {})["load"].items() if key != "_target_"}
LOAD = LoadScand(**{**LIMITS, "min_extent_mm": 60})


def brain_at(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensity and mask of the synthetic brain at world points [..., 3] in mm."""
    unit = (points - CENTRE) / RADII
    inside = (unit**2).sum(axis=-1) < 1
    structure = np.full(points.shape[:-1], 0.5)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        centre, width = rng.uniform(-0.6, 0.6, 3), rng.uniform(0.15, 0.3)
        structure += rng.choice([-0.4, 0.5]) * np.exp(-((unit - centre) ** 2).sum(axis=-1) / (2 * width**2))
    return np.where(inside, 100 * np.clip(structure, 0.05, None), 0), inside


def lesion_at(points: np.ndarray) -> np.ndarray:
    """A ball of 14 mm on the left."""
    return ((points - CENTRE - (-25, 10, 5)) ** 2).sum(axis=-1) < 14**2


@dataclass
class HeadWriter:
    """Writes synthetic scans below `root`.

    Args:
        root: folder of the raw data.
    """

    root: Path

    def __call__(
        self, name: str = "sub-a", *, codes: str = "RAS", spacing: float = 4.0, move: np.ndarray | None = None,
        lesion: bool = False, brighten: float = 1.0, masked: bool = False, **fields: Any,
    ) -> Scan:  # fmt: skip
        """A stripped scan; `move` is the world transform of the head, `brighten` scales intensities."""
        shape = tuple(int(n * 4 / spacing) for n in ATLAS_SHAPE)
        grid = np.diag([spacing, spacing, spacing, 1.0])
        grid[:3, 3] = ATLAS_AFFINE[:3, 3]
        voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
        points = voxels @ grid[:3, :3].T + grid[:3, 3]
        image, brain = brain_at(points)
        marked = lesion_at(points)
        image = np.where(marked & lesion, 160, image) * brighten
        affine = grid if move is None else move @ grid
        files = {"image": self._write(name, image.astype(np.float32), affine, codes)}
        if lesion:
            files["lesion"] = self._write(f"{name}_label", (2 * marked).astype(np.uint8), affine, codes)
        if masked:
            files["brain"] = self._write(f"{name}_mask", brain.astype(np.uint8), affine, codes)
        given = {"subject": name.split("_")[0], "modality": "FLAIR", "healthy": not lesion, "stripped": True}
        return Scan(name, **{**given, **files, **fields})

    def _write(self, name: str, array: np.ndarray, affine: np.ndarray, codes: str) -> Path:
        image = nib.Nifti1Image(array, affine)
        order = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(codes))
        path = self.root / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.as_reoriented(order).to_filename(path)
        return path


class ByHeader(Transform):
    """In place of a registration: takes `moves`, the world transform of each scan, by its id."""

    def __init__(self, moves: dict[str, list[list[float]]]) -> None:
        self.moves = moves

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, "transform": np.array(self.moves.get(data["scan"].id, np.eye(4)))}


def rigid(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    """Rotation about the centre of the synthetic brain, then a shift in mm, as a 4×4 world matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = CENTRE + shift - matrix[:3, :3] @ CENTRE
    return matrix
