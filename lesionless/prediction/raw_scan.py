"""The scan as its file has it, which the page shows, and its label there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.orientations import inv_ornt_aff, io_orientation

from lesionless.prediction.order import Job
from lesionless.prediction.preparation import Preparation
from pipeline.predict.native import Grid
from preprocessing.config import build
from preprocessing.errors import PreprocessingError, reason
from preprocessing.space.grid import load_grid


def raw_scan(job: Job, preparation: Preparation) -> tuple[np.ndarray, Grid, np.ndarray | None, str | None]:
    """The scan on its own grid, its label there, and what is wrong with the label: that does not stop the scan.

    Raises:
        PreprocessingError: its file is unreadable, or on the grid of the atlas and not part of a prepared data set.
    """
    config, scan = preparation.config, job.source.scan
    trouble, data = None, None
    if job.source.label is not None:
        try:
            data = build(config, "load")({"scan": replace(scan, lesion=job.source.label)})
            data["brain"] = data["image"] * 0 + 1  # where the lesion lies is not our concern here
            data = build(config, "lesion")(data)
        except Exception as error:
            trouble, data = reason(error), None
    data = data or build(config, "load")({"scan": scan})
    image = data["image"][0].numpy()
    label = data["lesion"][0].numpy() > 0 if "lesion" in data else None
    grid = Grid(image.shape, np.asarray(data["image"].affine, float))
    if job.source.dataset is None:
        _check_own_space(job, preparation, grid)
    return image, grid, label, trouble


def _check_own_space(job: Job, preparation: Preparation, grid: Grid) -> None:
    """A map of a scan that was moved to the atlas is no map on the scan; who wants it prepares a data set knowingly."""
    atlas = load_grid(Path(preparation.config["atlas"]["brain"]))
    here, there = _in_ras(grid.shape, grid.affine), _in_ras(atlas.array.shape, atlas.affine)
    if here[0] == there[0] and np.allclose(here[1], there[1], atol=1e-3):
        space = preparation.config["atlas"]["space"]
        raise PreprocessingError(
            f"{job.source.scan.image}: already on the grid of the atlas {space}; give the scan as it was taken, "
            "or prepare it by `python -m preprocessing run` and give the prepared data set"
        )


def _in_ras(shape: tuple[int, ...], affine: np.ndarray) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine of the same voxels, with the axes in the order and direction that are nearest to RAS."""
    order = io_orientation(affine)
    sides = {int(axis): size for (axis, _), size in zip(order, shape, strict=True)}
    return tuple(sides[axis] for axis in range(3)), affine @ inv_ornt_aff(order, shape)
