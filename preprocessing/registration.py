"""Registration to the atlas with checks of its quality."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from preprocessing.affine import affine_ants, best_start, hull, similarity, working_copy
from preprocessing.errors import PreprocessingError
from preprocessing.geometry import resample
from preprocessing.grid import Volume, load_grid

HULL_MARGIN_MM = 6.0


class RegisterToAtlasd(Transform):
    """`image`, `brain` [1, X, Y, Z] → `transform`: 4×4 from atlas mm to scan mm (RAS), and checks.

    Start: the centres of mass joined, under every rotation of `angles` about the three axes; the best by mutual
    information at `coarse_mm` goes on. Then one affine stage of ANTs (Mattes mutual information) at `spacing_mm`.
    One thread and a fixed seed: the result does not depend on the machine's load.

    A scan that shows only a part of the brain cannot agree with the whole mask. It is tried once more from where its
    header puts it, counting only the convex hull of its mask, and passes by `inside` and `coverage`.

    Args:
        atlas: stripped atlas image.
        mask: brain mask of the atlas.
        angles: degrees.
        spacing_mm, coarse_mm: of the images that ANTs and the search for the start see.
        iterations, shrink, smoothing: a value a level, coarse to fine, as in antsRegistration.
        sampling: share of voxels drawn for the metric.
        mask_dice: smallest Dice of the registered brain mask and the atlas mask.
        inside: for a part of a brain, the smallest share of it inside the atlas mask.
        coverage: for a part of a brain, the smallest share of the atlas mask that it covers.
        scale: smallest and largest scaling (singular value of the affine) that a human head needs.

    Raises:
        PreprocessingError: ANTs fails, or the result breaks these limits.
    """

    def __init__(
        self,
        atlas: str,
        mask: str,
        angles: Sequence[float],
        spacing_mm: float,
        coarse_mm: float,
        iterations: Sequence[int],
        shrink: Sequence[int],
        smoothing: Sequence[float],
        sampling: float,
        mask_dice: float,
        inside: float,
        coverage: float,
        scale: Sequence[float],
    ) -> None:
        self.atlas, self.mask = Path(atlas), Path(mask)
        self.angles = angles
        self.spacing_mm, self.coarse_mm = spacing_mm, coarse_mm
        self.levels = {
            "aff_iterations": tuple(iterations),
            "aff_shrink_factors": tuple(shrink),
            "aff_smoothing_sigmas": tuple(smoothing),
            "aff_random_sampling_rate": sampling,
        }
        self.mask_dice, self.inside, self.coverage = mask_dice, inside, coverage
        self.scale = scale

    @cached_property
    def _fixed(self) -> tuple[Volume, Volume]:
        atlas, mask = load_grid(self.atlas), load_grid(self.mask)
        return working_copy(atlas, mask, self.spacing_mm), working_copy(atlas, mask, self.coarse_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        image, brain = Volume.of(data["image"]), Volume.of(data["brain"])
        fixed, coarse = self._fixed
        moving = working_copy(image, brain, self.spacing_mm)
        start = best_start(coarse, working_copy(image, brain, self.coarse_mm), self.angles)
        transform = affine_ants(fixed, moving, start, self.levels)
        checks = self._agreement(brain, transform)
        if not (whole := self._plausible(checks) and checks["mask_dice"] >= self.mask_dice):
            transform = affine_ants(fixed, moving, np.eye(4), self.levels, hull(moving, HULL_MARGIN_MM))
            part = self._agreement(brain, transform)
            if not (self._plausible(part) and part["inside"] >= self.inside and part["coverage"] >= self.coverage):
                raise PreprocessingError(self._refusal(data["scan"].image, checks, part))
            checks = part
        information = {
            "mutual_information_start": round(similarity(fixed, moving, start), 4),
            "mutual_information": round(similarity(fixed, moving, transform), 4),
        }
        checks = {**checks, "partial": float(not whole), **information}
        return {**data, "transform": transform, "checks": {**data.get("checks", {}), **checks}}

    def _agreement(self, brain: Volume, transform: np.ndarray) -> dict[str, float]:
        atlas = load_grid(self.mask)
        matrix = np.linalg.inv(brain.affine) @ transform @ atlas.affine
        moved = resample(brain.array, matrix, atlas.array.shape, order=0) > 0
        mask = atlas.array > 0
        both = np.count_nonzero(moved & mask)
        moved_voxels, mask_voxels = int(np.count_nonzero(moved)) or 1, np.count_nonzero(mask)
        scales: Any = np.linalg.svd(transform[:3, :3], compute_uv=False)
        values = {
            "mask_dice": 2 * both / (moved_voxels + mask_voxels),
            "inside": both / moved_voxels,
            "coverage": both / mask_voxels,
            "scale_low": scales.min(),
            "scale_high": scales.max(),
        }
        return {name: round(float(value), 4) for name, value in values.items()}

    def _plausible(self, checks: Mapping[str, float]) -> bool:
        return self.scale[0] <= checks["scale_low"] and checks["scale_high"] <= self.scale[1]

    def _refusal(self, path: Path, whole: Mapping[str, float], part: Mapping[str, float]) -> str:
        return (
            f"{path}: registered to the atlas, the brain mask has Dice {whole['mask_dice']:.3f} with the atlas mask, "
            f"scaled by {whole['scale_low']:.2f} to {whole['scale_high']:.2f}; needed are Dice {self.mask_dice:g}, "
            f"scaled by {self.scale[0]:g} to {self.scale[1]:g}, or, for a part of a brain, {self.coverage:g} of the "
            f"atlas covered with {self.inside:g} of it inside (this one: {part['coverage']:.2f}, {part['inside']:.2f})"
        )
