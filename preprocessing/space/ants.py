"""ANTs, deterministic, and its images."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from preprocessing.space.grid import Volume


def load_ants() -> Any:
    """ANTs with a fixed seed and one thread in this process: its sums depend on the number of threads."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants  # seconds to import: only where it is used

    ants.config.set_ants_deterministic(on=False, seed_value=1)  # `on` would allow nothing but its own *Repro kinds
    return ants


def ants_image(volume: Volume) -> Any:
    """A volume on a grid along the world axes as an ANTsImage."""
    origin = tuple(volume.affine[:3, 3] * (-1, -1, 1))
    spacing = tuple(np.diag(volume.affine)[:3])
    return load_ants().from_numpy(volume.array, origin, spacing, direction=np.diag([-1.0, -1.0, 1.0]))
