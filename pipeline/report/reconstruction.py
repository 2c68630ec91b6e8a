"""What a method drew of a scan, slice by slice: image, reconstruction, what is left, and the map."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure

from pipeline.errors import PipelineError
from pipeline.report.pictures import COLOURS, INK, MUTED, SIDE, colour_range, face, head, panels
from pipeline.report.results import Run, find_runs
from pipeline.report.tissues import chosen_scans
from pipeline.report.views import View, anomaly_map, field, upright, view

COLUMNS = ("image", "reconstruction", "difference", "map")


def methods_with_reconstructions(runs: str | Path) -> list[str]:
    """Methods of a results folder that kept what they drew."""
    kept = [run.method for run in find_runs(runs) if any((run.folder / "maps").glob("*_reconstruction.nii.gz"))]
    return sorted(set(kept))


def reconstructions(runs: str | Path, method: str, convention: str = "neurological") -> Figure:
    """Rows are scans, columns the image, its reconstruction, image − reconstruction in [−0.5, 0.5], and the map.

    The slice shown is the one with the largest lesion area. The scans are those of `tissues`.

    Args:
        runs: results folder.
        method: its run of the lowest seed is shown.
        convention: `neurological` or `radiological`, see `pipeline.report.pictures.face`.

    Raises:
        PipelineError: no results, or a method that kept no reconstructions; the message lists the choices.
    """
    root, available = Path(runs), methods_with_reconstructions(runs)
    if method not in available:
        raise PipelineError(
            f"'{method}' kept no reconstructions in '{runs}'; available: {', '.join(available) or 'none'}"
        )
    run = find_runs(runs, [method])[0]
    views = [view(root, scan) for scan in chosen_scans(root)]
    figure, axes = panels(len(views), len(COLUMNS))
    box = field(views)
    limits = colour_range(run) or (None, None)
    for ax, name in zip(axes[0], COLUMNS, strict=True):
        head(ax, name, INK)
    for row, seen in zip(axes, views, strict=True):
        _draw(row, run, seen, box, limits)
    face(axes, convention)
    return figure


def _draw(row: np.ndarray, run: Run, seen: View, box: tuple[slice, slice], limits: tuple[float | None, ...]) -> None:
    """The panels of one scan, as COLUMNS names them; `limits` are the lowest and the highest value of the map."""
    image, reconstruction, difference, anomaly = row
    label = f"{seen.scan}   slice {seen.z}"
    image.text(0.0, 1 + 0.06 / SIDE, label, color=MUTED, fontsize=8, transform=image.transAxes)
    drawn = _drawn(run, seen.scan, seen.z)
    bright = float(seen.image.max()) or 1.0
    for ax, picture in ((image, seen.image), (reconstruction, drawn)):
        ax.imshow(picture[box], cmap="gray", vmin=0, vmax=bright, interpolation="nearest")
    difference.imshow((seen.image - drawn)[box], cmap="RdBu_r", vmin=-0.5, vmax=0.5, interpolation="nearest")
    volume = anomaly_map(run, seen.scan)
    if volume is not None:
        inside = np.ma.masked_array(upright(volume, seen.z), ~seen.support)[box]
        low, high = limits
        anomaly.imshow(inside, cmap=COLOURS, vmin=low, vmax=high, interpolation="nearest")


def _drawn(run: Run, scan: str, z: int) -> np.ndarray:
    path = run.folder / "maps" / f"{scan}_reconstruction.nii.gz"
    return upright(np.asarray(nib.Nifti1Image.from_filename(path).dataobj), z)
