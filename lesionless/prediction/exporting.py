"""The grid of the scans that a model takes, from its preparation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lesionless.prediction.preparation import of_model
from pipeline.export.scorer_network import AtlasGrid
from pipeline.predict.model import read_model
from preprocessing.config import build
from preprocessing.space.grid import load_grid


def grid_of(folder: Path, atlas: Path | None) -> AtlasGrid:
    """Where the slices of the model in `folder` lie on the grid of the atlas.

    Args:
        atlas: folder of the atlas; None: the one in the user's cache.

    Raises:
        PreprocessingError: another atlas than the one that the model was made with.
    """
    preparation = of_model(folder, read_model(folder).document("preparation.json"), atlas)
    slices: Any = build(preparation.config, "pseudo_volume")
    volume = load_grid(Path(preparation.config["atlas"]["brain"]))
    x, y, z = volume.array.shape
    heights = slices.grid_slices(z)
    affine = [[float(value) for value in row] for row in volume.affine]
    return AtlasGrid((x, y, z), affine, slices.size, heights.start, heights.step, slices.tissue_share)
