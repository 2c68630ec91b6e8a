"""The lesions of a mask: where they are, how large, how high they score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.predict.native import NativeScores

_NEIGHBOURS = ndimage.generate_binary_structure(3, 3)  # 26


@dataclass(frozen=True)
class Lesion:
    """One connected part of the mask.

    Args:
        id: 1 is the largest.
        volume_mm3: on the scan's own grid.
        x_mm, y_mm, z_mm: centre of its voxels in the scan (RAS).
        atlas_x_mm, atlas_y_mm, atlas_z_mm: the same place in the atlas (RAS).
        peak, mean: of the scores.
        p_value: (1 + normals whose largest lesion at this threshold is at least as large) / (1 + normals).
        touches_rim: it reaches the edge of the region that is judged, and may go on beyond it.
    """

    id: int
    volume_mm3: float
    x_mm: float
    y_mm: float
    z_mm: float
    atlas_x_mm: float
    atlas_y_mm: float
    atlas_z_mm: float
    peak: float
    mean: float
    p_value: float
    touches_rim: bool

    def row(self) -> dict[str, float | int | bool]:
        """By the names of its fields, in their order."""
        return asdict(self)


COLUMNS = tuple(Lesion.__dataclass_fields__)


def find_lesions(
    native: NativeScores, threshold: float, min_ml: float, normals_ml: Sequence[float]
) -> tuple[NDArray[np.bool_], list[Lesion]]:
    """The mask `score ≥ threshold` inside the support, and its 26-connected parts of at least `min_ml`, largest first.

    Args:
        native: the map on the scan's own grid.
        threshold: of the scores.
        min_ml: smaller parts stay in the mask and get no row.
        normals_ml: the largest lesion of each normal of the model at this threshold, in mL in the size of the atlas.
    """
    mask = native.support & (native.scores >= np.float32(threshold))
    numbers, _ = ndimage.label(mask, _NEIGHBOURS)
    voxels = np.bincount(numbers.ravel())
    least = min_ml / native.grid.voxel_ml * (1 - 1e-9)
    kept = [int(part) for part in np.flatnonzero(voxels >= least) if part > 0]
    boxes = ndimage.find_objects(numbers)
    shrink = abs(np.linalg.det(native.to_atlas[:3, :3]))
    found = [_measure(native, boxes[part - 1], numbers, part) for part in kept]
    found = [
        replace(lesion, p_value=p_value(lesion.volume_mm3 / 1000 * shrink, normals_ml))
        for lesion in sorted(found, key=lambda lesion: (-lesion.volume_mm3, -lesion.peak, lesion.x_mm))
    ]
    return mask, [replace(lesion, id=place) for place, lesion in enumerate(found, 1)]


def largest_ml(mask: NDArray[np.bool_], voxel_ml: float) -> float:
    """Volume of the largest 26-connected part of a mask in mL; 0 for an empty one."""
    numbers, count = ndimage.label(mask, _NEIGHBOURS)
    return float(np.bincount(numbers.ravel())[1:].max() * voxel_ml) if count else 0.0


def p_value(value: float, normals: Sequence[float]) -> float:
    """`(1 + #{normals ≥ value}) / (1 + n)`: how often a normal scan has at least that much.

    >>> p_value(2.0, [0.5, 1.0, 3.0])
    0.5
    """
    reach = np.asarray(normals, float) >= value * (1 - 1e-9)
    return float((1 + np.count_nonzero(reach)) / (1 + len(reach)))


def _measure(native: NativeScores, box: tuple[slice, ...], numbers: NDArray, part: int) -> Lesion:
    inside = numbers[box] == part
    corner = np.array([side.start for side in box])
    centre = np.argwhere(inside).mean(axis=0) + corner
    place = native.grid.affine[:3, :3] @ centre + native.grid.affine[:3, 3]
    atlas = native.to_atlas[:3, :3] @ place + native.to_atlas[:3, 3]
    values = native.scores[box][inside]
    x, y, z, u, v, w = (round(float(value), 2) for value in (*place, *atlas))
    return Lesion(
        id=0,
        volume_mm3=round(float(inside.sum() * native.grid.voxel_ml * 1000), 2),
        x_mm=x,
        y_mm=y,
        z_mm=z,
        atlas_x_mm=u,
        atlas_y_mm=v,
        atlas_z_mm=w,
        peak=float(values.max()),
        mean=float(values.mean(dtype=np.float64)),
        p_value=1.0,
        touches_rim=_touches_rim(native.support, box, inside),
    )


def _touches_rim(support: NDArray[np.bool_], box: tuple[slice, ...], inside: NDArray[np.bool_]) -> bool:
    """Whether a voxel of the lesion has a neighbour outside the support; outside the grid counts as outside."""
    wide = tuple(slice(side.start - 1, side.stop + 1) for side in box)
    room = tuple(slice(max(side.start, 0), min(side.stop, n)) for side, n in zip(wide, support.shape, strict=True))
    pads = [(r.start - w.start, w.stop - r.stop) for r, w in zip(room, wide, strict=True)]
    around = np.pad(support[room], pads)
    return bool((ndimage.binary_dilation(np.pad(inside, 1), _NEIGHBOURS) & ~around).any())
