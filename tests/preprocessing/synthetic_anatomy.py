"""An anatomy of nested balls."""

from __future__ import annotations

import numpy as np

from preprocessing.phantom.anatomy import Anatomy


def balls() -> Anatomy:
    """Nested balls: scalp, skull, CSF, grey matter, white matter, and two ventricles; 3 mm voxels."""
    spacing, n = 3.0, 52
    x, y, z = spacing * (np.indices((n, n, n)) - (n - 1) / 2)
    radius = np.sqrt(x**2 + y**2 + z**2)
    ventricles = np.sqrt((abs(x) - 9) ** 2 + (y / 2.5) ** 2 + z**2) < 7
    brain = radius < 58
    csf = brain & ((radius > 55) | ventricles)
    white = brain & (radius < 46) & ~ventricles
    as_bytes = {
        "head": np.where(radius > 66, 180.0, 20.0) * (radius < 72) + 110 * brain,
        "csf": 255.0 * csf,
        "white": 255.0 * white,
        "grey": 255.0 * (brain & ~csf & ~white),
        "ventricles": 255.0 * ventricles,
    }
    maps = {key: np.clip(volume, 0, 255).astype(np.uint8) for key, volume in as_bytes.items()}
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (-200.0, 5.0, 0.0)
    return Anatomy(affine=affine, brain=brain.astype(np.uint8), detail=np.zeros(brain.shape, np.int8), **maps)
