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


def patients(row: Row) -> list[str]:
    """Worst, median and best scan of a run by average precision."""
    values = row.precisions()
    ordered = sorted(values, key=lambda scan: values[scan])
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def picture(found: Sequence[Row], by: str) -> Figure:
    """The figure: image and outline, then a column for each method."""
    methods = {row.run.method: row for row in sorted(found, key=lambda row: -row.run.seed)}
    chosen = methods[by]
    order = [method for method in dict.fromkeys(row.run.method for row in found) if method in methods]
    seen = [view(chosen.run.folder.parents[1], scan) for scan in patients(chosen)]
    figure, axes = panels(len(seen), 1 + len(order))
    box = field(seen)
    for line, shown in zip(axes, seen, strict=True):
        line[0].imshow(shown.image[box], cmap="gray", vmin=0, vmax=1)
        line[0].set_title(f"{shown.scan}, {shown.lesion_ml:.0f} mL", color="white", fontsize=7, loc="left", pad=2)
        for ax in line:
            ax.contour(shown.lesion[box], levels=[0.5], colors=LESION, linewidths=0.6)
    for column, method in zip(axes.T[1:], order, strict=True):
        head(column[0], method.replace("_", " "), "white")
        _column(column, methods[method], seen, box)
    return figure


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
        ax.set_title(f"AP {precisions[shown.scan]:.2f}", color="white", fontsize=7, loc="left", pad=2)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--by", default="painted_lesions", help="method whose worst, median and best patient are shown")
    parser.add_argument("--out", type=Path, default=Path("maps.png"))
    arguments = parser.parse_args()
    picture(rows(arguments.runs), arguments.by).savefig(arguments.out, dpi=65, facecolor=PAPER)


if __name__ == "__main__":
    main()
