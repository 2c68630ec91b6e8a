"""A prepared dataset for people: who is in it, and its slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.data import SliceDataset, load_manifest
from pipeline.report.pictures import INK, LESION, MUTED, SIDE, face, head, panels

COUNT = 5


def cohort(dataset: str | Path) -> pd.DataFrame:
    """One row a split: its scans, how many are without a lesion, and its slices.

    Args:
        dataset: prepared dataset.

    Returns:
        Index `split`; columns `scans`, `subjects`, `healthy`, `slices`.

    Raises:
        PipelineError: no prepared dataset there.
    """
    manifest = load_manifest(dataset)
    items = pd.DataFrame(manifest["items"])
    items["slices"] = items["rows"].map(lambda rows: rows[1] - rows[0])
    grouped = items.groupby("split")
    columns = {"scans": ("id", "size"), "subjects": ("subject", "nunique"), "healthy": ("healthy", "sum")}
    return grouped.agg(**columns, slices=("slices", "sum")).loc[list(manifest["splits"])]


def slices(
    dataset: str | Path, split: str = "test", scans: int = 3, columns: int = COUNT, convention: str = "neurological"
) -> Figure:
    """Rows are scans, columns slices from the lowest to the highest, spread evenly; blue is the labelled lesion.

    Args:
        dataset: prepared dataset.
        split: of the scans.
        scans: how many, spread evenly over the order of the dataset.
        columns: slices of each.
        convention: `neurological` or `radiological`, see `pipeline.report.pictures.face`.

    Raises:
        PipelineError: no prepared dataset there, or no such split.
    """
    content = SliceDataset(dataset, split)
    places = np.linspace(0, len(content.items) - 1, min(scans, len(content.items)), dtype=int)
    chosen = [content.items[place] for place in places]
    figure, axes = panels(len(chosen), columns)
    for row, item in zip(axes, chosen, strict=True):
        start, stop = item["rows"]
        brightest = float(content.arrays["image"][start:stop].max()) or 1.0
        row[0].text(0.0, 1 + 0.06 / SIDE, item["id"], color=MUTED, fontsize=8, transform=row[0].transAxes)
        for ax, place in zip(row, np.linspace(start, stop - 1, columns, dtype=int), strict=True):
            ax.imshow(
                np.rot90(content.arrays["image"][place]), cmap="gray", vmin=0, vmax=brightest, interpolation="nearest"
            )
            lesion = np.rot90(content.arrays["lesion"][place]) > 0
            if lesion.any():
                ax.contour(lesion.astype(float), levels=[0.5], colors=[LESION], linewidths=1.0)
    face(axes, convention)
    head(axes[0, 0], "lowest slice", INK)
    head(axes[0, -1], "highest slice", INK)
    return figure
