"""A synthetic CT head in Hounsfield units: scalp, skull with foramen magnum and a hole, brain, neck and head rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPE, SPACING = (88, 104, 72), np.array([2.5, 2.5, 3.0])


@dataclass
class CtHead:
    """image [X, Y, Z] in HU, affine, the true brain, bone and head rest."""

    image: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    bone: np.ndarray
    bed: np.ndarray


def ct_head(noise: float = 5.0, padding: float = -3024.0, skew: float = 0.0, seed: int = 0) -> CtHead:
    """A head of ellipsoids; `skew` in mm in y for each mm in z is a tilted gantry that sampled the same head."""
    affine = np.diag([*SPACING, 1.0])
    affine[1, 2] = skew * SPACING[2]
    affine[:3, 3] = -affine[:3, :3] @ (np.array(SHAPE) - 1) / 2
    voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(voxels @ affine[:3, :3].T + affine[:3, 3], -1, 0)

    def ellipsoid(grow: float) -> np.ndarray:
        return (x / (66 + grow)) ** 2 + (y / (82 + grow)) ** 2 + ((z - 10) / (64 + grow)) ** 2 < 1

    rng = np.random.default_rng(seed)
    image = np.full(SHAPE, -1000.0)
    neck = (x**2 + (y + 20) ** 2 < 45**2) & (z < -40)
    bed = (np.abs(y + 104) < 3) & (np.abs(x) < 90)  # touches the back of the head
    image[bed] = 300
    image[ellipsoid(14) | neck] = 50
    bone = ellipsoid(8) & ~ellipsoid(0)
    bone &= ~((np.hypot(x, y + 15) < 15) & (z < 0))  # foramen magnum
    bone &= ~((np.hypot(y - 30, z - 40) < 9) & (x > 0))  # a burr hole
    image[bone] = 1000
    brain = ellipsoid(0)
    image[brain] = 10
    image[ellipsoid(-3)] = 35
    image[(x - 25) ** 2 + y**2 + (z - 20) ** 2 < 15**2] = 70  # a haemorrhage
    image += noise * rng.standard_normal(SHAPE)
    if padding < -1024:
        image[np.hypot(x, y) > 108] = padding
    return CtHead(image.astype(np.float32), affine, brain, bone, bed & (image > 0) & ~ellipsoid(14))
