"""Registration to the atlas with checks of its quality."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.space.affine import affine_ants, best_start, best_turned_start, hull, similarity, working_copy
from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume, load_grid

HULL_MARGIN_MM = 6.0
KINDS = {"affine": "Affine", "rigid": "Rigid"}


class RegisterToAtlasd(Transform):
    """`image` (or `corrected`), `brain` [1, X, Y, Z] → `transform`: 4×4 from atlas mm to scan mm (RAS), and checks.

    Start: the centres of mass joined, under every rotation of `angles` about the three axes; the best by mutual
    information at `coarse_mm` goes on. Then one stage of ANTs (Mattes mutual information) at `spacing_mm`.
    One thread and a fixed seed: the result does not depend on the machine's load. `corrected` is used up.

    A brain that fits better after a turn by 90° or 180° has a wrong orientation code. It is refused, not turned, since
    left and right cannot be told apart. A code that swaps nothing but left and right goes unseen.

    A scan that shows only a part of the brain cannot agree with the whole mask. It is tried once more from where its
    header puts it, counting only the convex hull of its mask, and passes by `inside` and `coverage`.

    Args:
        atlas: stripped atlas images by modality of the scan; `other` is for those that are not named or null.
        mask: brain mask of the atlas.
        kind: `affine` or `rigid`.
        angles: degrees.
        spacing_mm: voxel size of the images that ANTs sees.
        coarse_mm: voxel size of the images that the search for the start sees.
        iterations: at most, one value for each level, coarse to fine, as in antsRegistration.
        shrink: factors of the levels.
        smoothing: standard deviations of the levels, in voxels.
        sampling: share of voxels drawn for the metric.
        turned: largest mutual information of the best turned start, in units of that of the best upright start.
        information: smallest mutual information in nats of atlas and scan inside both brains.
        mask_dice: smallest Dice of the registered brain mask and the atlas mask.
        inside: for a part of a brain, the smallest share of it inside the atlas mask.
        coverage: for a part of a brain, the smallest share of the atlas mask that it covers.
        scale: smallest and largest scaling (singular value of the affine) that a human head needs.

    Raises:
        PreprocessingError: unknown `kind`, ANTs fails, or the result breaks these limits.
    """

    def __init__(
        self,
        atlas: Mapping[str, str | None],
        mask: str,
        kind: str,
        angles: Sequence[float],
        spacing_mm: float,
        coarse_mm: float,
        iterations: Sequence[int],
        shrink: Sequence[int],
        smoothing: Sequence[float],
        sampling: float,
        turned: float,
        information: float,
        mask_dice: float,
        inside: float,
        coverage: float,
        scale: Sequence[float],
    ) -> None:
        if kind not in KINDS:
            raise PreprocessingError(f"unknown kind of registration {kind!r}; available: {', '.join(KINDS)}")
        self.atlas, self.mask = atlas, Path(mask)
        self.angles = angles
        self.spacing_mm, self.coarse_mm = spacing_mm, coarse_mm
        self.options = {
            "type_of_transform": KINDS[kind],
            "aff_iterations": tuple(iterations),
            "aff_shrink_factors": tuple(shrink),
            "aff_smoothing_sigmas": tuple(smoothing),
            "aff_random_sampling_rate": sampling,
        }
        self.turned, self.information = turned, information
        self.mask_dice, self.inside, self.coverage = mask_dice, inside, coverage
        self.scale = scale

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self.apply(data, self.measure(data))

    def measure(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        """The costly part: `transform` [4, 4] and its `checks`."""
        scan, brain = data["scan"], Volume.of(data["brain"])
        image = Volume.of(data.get("corrected", data["image"]))
        atlas = Path(str(self.atlas.get(scan.modality) or self.atlas["other"]))
        fixed, coarse = (_atlas_copy(atlas, self.mask, spacing) for spacing in (self.spacing_mm, self.coarse_mm))
        moving = working_copy(image, brain, self.spacing_mm)
        start, turned = self._start(scan.image, coarse, working_copy(image, brain, self.coarse_mm))
        transform = affine_ants(fixed, moving, start, self.options)
        checks = self._agreement(brain, transform)
        if not (whole := self._plausible(checks) and checks["mask_dice"] >= self.mask_dice):
            transform = affine_ants(fixed, moving, np.eye(4), self.options, hull(moving, HULL_MARGIN_MM))
            part = self._agreement(brain, transform)
            if not (self._plausible(part) and part["inside"] >= self.inside and part["coverage"] >= self.coverage):
                raise PreprocessingError(turned or self._refusal(scan.image, checks, part))
            checks = part
        elif turned:
            raise PreprocessingError(turned)
        checks |= {"partial": float(not whole), "mutual_information_start": round(similarity(fixed, moving, start), 4)}
        checks |= self._information(scan.image, fixed, moving, transform)
        return {"transform": transform, "checks": checks}

    def apply(self, data: Mapping[Hashable, Any], found: Mapping[str, Any]) -> dict[Hashable, Any]:
        """`data` with the transform that `measure` found."""
        rest = {key: value for key, value in data.items() if key != "corrected"}
        return {**rest, "transform": found["transform"], "checks": {**data.get("checks", {}), **found["checks"]}}

    def _start(self, path: Path, fixed: Volume, moving: Volume) -> tuple[np.ndarray, str | None]:
        """The best start near the header's orientation, and what speaks against that orientation."""
        upright = best_start(fixed, moving, self.angles)
        turned = best_turned_start(fixed, moving, self.angles)
        ratio = similarity(fixed, moving, turned) / similarity(fixed, moving, upright)
        if ratio <= self.turned:
            return upright, None
        codes = "".join(nib.aff2axcodes(np.linalg.inv(turned)))
        return upright, (
            f"{path}: wrong orientation code, or not a brain: the axes that the header calls RAS look like {codes} "
            f"(mutual information {ratio:.2f} times that of the header's orientation; at most {self.turned:g})"
        )

    def _information(self, path: Path, fixed: Volume, moving: Volume, transform: np.ndarray) -> dict[str, float]:
        tissue = similarity(fixed, moving, transform, tissue=True)
        if tissue < self.information:
            raise PreprocessingError(
                f"{path}: not a brain: inside the mask, mutual information with the atlas is {tissue:.3f}; "
                f"at least {self.information:g}"
            )
        return {
            "mutual_information": round(similarity(fixed, moving, transform), 4),
            "tissue_information": round(tissue, 4),
        }

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


@lru_cache(maxsize=4)
def _atlas_copy(image: Path, mask: Path, spacing: float) -> Volume:
    return working_copy(load_grid(image), load_grid(mask), spacing)
