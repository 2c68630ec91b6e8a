"""A prediction on the grid of the scan as it came: image, map and mask."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from pipeline.report.pictures import COLOURS, INK, MASK, MUTED, SIDE, face, head, panels

ROWS = 3


def native(
    image: str | Path, anomaly: str | Path, mask: str | Path, rows: int = ROWS, convention: str = "neurological"
) -> Figure:
    """Rows are axial slices, the one with the largest mask and those spread evenly; columns image, map and mask.

    Axes are turned to the nearest of the patient's (right, front, up) and not interpolated. The map goes from 0 to its
    largest value.

    Args:
        image: the scan as it was predicted.
        anomaly: its anomaly map, on the same grid.
        mask: its mask, on the same grid.
        rows: slices shown.
        convention: `neurological` or `radiological`, see `pipeline.report.pictures.face`.
    """
    volumes = [nib.as_closest_canonical(nib.load(path)) for path in (image, anomaly, mask)]
    grey, scores, marked = (np.asarray(volume.dataobj, dtype=np.float32) for volume in volumes)
    heights = _heights(scores > 0, marked > 0, rows)
    x_mm, y_mm, _ = volumes[0].header.get_zooms()
    figure, axes = panels(len(heights), 3)
    for ax, title in zip(axes[0], ("image", "map", "mask"), strict=True):
        head(ax, title, INK)
    look = {"interpolation": "nearest", "aspect": float(y_mm / x_mm)}
    window = {"cmap": "gray", "vmin": 0, "vmax": float(np.percentile(grey, 99.5))}
    for (plain, coloured, masked), z in zip(axes, heights, strict=True):
        plain.text(0.0, 1 + 0.06 / SIDE, f"slice {z}", color=MUTED, fontsize=8, transform=plain.transAxes)
        for ax in (plain, masked):
            ax.imshow(np.rot90(grey[:, :, z]), **window, **look)
        coloured.imshow(np.rot90(scores[:, :, z]), cmap=COLOURS, vmin=0, vmax=float(scores.max()) or 1.0, **look)
        inside = np.ma.masked_equal(np.rot90(marked[:, :, z] > 0), False)
        masked.imshow(inside, cmap=ListedColormap([MASK]), alpha=0.8, **look)
    face(axes, convention)
    return figure


def _heights(judged: np.ndarray, marked: np.ndarray, rows: int) -> list[int]:
    """The slice with most of the mask, and others spread over what was judged, from the highest down."""
    inside = np.flatnonzero(judged.any(axis=(0, 1)))
    if not len(inside):
        inside = np.arange(judged.shape[2])
    spread = np.linspace(inside[0], inside[-1], rows + 1)[1:-1].round().astype(int)
    largest = int(marked.sum(axis=(0, 1)).argmax()) if marked.any() else int(inside[len(inside) // 2])
    return sorted({largest, *spread.tolist()}, reverse=True)
