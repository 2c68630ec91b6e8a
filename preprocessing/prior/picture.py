"""A picture of a tissue prior, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from preprocessing.io.files import replaced
from preprocessing.qc.strip import Frame
from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume

WIDTH, DPI = 12.0, 90  # inches, dots an inch


def draw(path: Path, mean: Volume, grid: Volume, classes: Sequence[str], title: str) -> None:
    """Write the mean maps of the tissues on four axial, two coronal and two sagittal slices as PNG.

    Args:
        path: of the picture.
        mean: [W, H, S, K], background last.
        grid: the atlas grid, whose voxels are the pixels.
        classes: the names of the K classes.
        title: what the maps were made of.
    """
    tissue = resample(1 - mean.array[..., -1], np.linalg.inv(mean.affine) @ grid.affine, grid.array.shape)
    frame = Frame(Volume(tissue > 0.5, grid.affine))
    strips = [frame.cut(Volume(mean.array[..., index], mean.affine), order=1) for index in range(len(classes) - 1)]
    height, width = strips[0].shape
    figure = Figure(figsize=(WIDTH, WIDTH * len(strips) * height / width + 0.6), dpi=DPI, layout="constrained")
    for axes, strip, name in zip(figure.subplots(len(strips), 1), strips, classes, strict=False):
        image = axes.imshow(strip, cmap="magma", vmin=0, vmax=1)
        axes.set(ylabel=name, xticks=[], yticks=[])
    figure.colorbar(image, ax=figure.axes, fraction=0.02, label="mean")
    figure.suptitle(title)
    with replaced(path) as temporary:
        figure.savefig(temporary, format="png")
