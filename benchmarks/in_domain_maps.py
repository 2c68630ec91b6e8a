"""All maps of the worst, the median and the best patient: `python benchmarks/in_domain_maps.py RUNS [RUNS …]`.

Patients are ordered by the average precision of `--by`. A row is a patient, at the slice with most of the lesion; its
outline is blue. The maps of a column share one scale, up to the 99.5th percentile of what is shown. Of each method the
lowest seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from in_domain_tables import Row, rows
from matplotlib.figure import Figure

from pipeline.report.pictures import COLOURS, LESION, PAPER, head, panels
from pipeline.report.views import View, anomaly_map, field, upright, view

MOST = 8  # methods side by side


def patients(row: Row) -> list[str]:
    """Worst, median and best scan of a run by average precision."""
    values = row.precisions()
    ordered = sorted(values, key=lambda scan: values[scan])
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def picture(found: Sequence[Row], by: str) -> Figure:
    """The figure: bands of the same patients, each with image and outline, then a column for each of its methods."""
    methods = {row.run.method: row for row in sorted(found, key=lambda row: -row.run.seed)}
    chosen = methods[by]
    order = list(dict.fromkeys(row.run.method for row in found))
    bands = np.array_split(np.array(order), -(-len(order) // MOST))
    seen = [view(chosen.run.folder.parents[1], scan) for scan in patients(chosen)]
    figure, axes = panels((len(seen) + 1) * len(bands) - 1, 1 + max(map(len, bands)))  # an empty line parts two bands
    box = field(seen)
    for number, band in enumerate(bands):
        part = axes[number * (len(seen) + 1) :][: len(seen)]
        _images(part[:, 0], seen, box)
        for column, method in zip(part.T[1:], band, strict=False):
            head(column[0], method.replace("_", " "), "white")
            _column(column, methods[method], seen, box)
    return figure


def _images(column: np.ndarray, seen: Sequence[View], box: tuple[slice, slice]) -> None:
    for ax, shown in zip(column, seen, strict=True):
        ax.imshow(shown.image[box], cmap="gray", vmin=0, vmax=1)
        ax.contour(shown.lesion[box], levels=[0.5], colors=LESION, linewidths=0.6)
        ax.set_title(f"{shown.scan}, {shown.lesion_ml:.0f} mL", color="white", fontsize=7, loc="left", pad=2)


def _column(column: np.ndarray, row: Row, seen: Sequence[View], box: tuple[slice, slice]) -> None:
    maps = []
    for shown in seen:
        volume = anomaly_map(row.run, shown.scan)
        if volume is not None:
            maps.append(np.where(shown.support, upright(volume, shown.z), np.nan)[box])
    low, high = np.nanmin(maps), np.nanpercentile(maps, 99.5)
    precisions = row.precisions()
    for ax, shown, values in zip(column, seen, maps, strict=True):
        ax.imshow(values, cmap=COLOURS, vmin=low, vmax=high)
        ax.contour(shown.lesion[box], levels=[0.5], colors=LESION, linewidths=0.6)
        ax.set_title(f"AP {precisions[shown.scan]:.2f}", color="white", fontsize=7, loc="left", pad=2)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--by", default="painted_lesions", help="method whose worst, median and best patient are shown")
    parser.add_argument("--out", type=Path, default=Path("maps.png"))
    arguments = parser.parse_args()
    picture(rows(arguments.runs), arguments.by).savefig(arguments.out, dpi=80, facecolor=PAPER)


if __name__ == "__main__":
    main()
