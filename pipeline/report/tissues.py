"""Pictures of what a shape-prior auto-encoder draws on the way: tissue maps and reconstruction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure

from pipeline.errors import PipelineError
from pipeline.metrics.tissues import TISSUES
from pipeline.report.pictures import COLOURS, INK, MUTED, STRIP, face, head, panels
from pipeline.report.results import Run, find_runs
from pipeline.report.views import View, anomaly_map, field, lesion_scans, scan_ids, upright, view

COLUMNS = ("image", "reconstruction", *(f"p({name})" for name in TISSUES), "map")


def methods_with_tissues(runs: str | Path) -> list[str]:
    """Methods of a results folder that kept tissue maps."""
    kept = [run.method for run in find_runs(runs) if any((run.folder / "maps").glob("*_probseg.nii.gz"))]
    return sorted(set(kept))


def tissues(
    runs: str | Path, method: str, scans: Iterable[str] | None = None, convention: str = "neurological"
) -> Figure:
    """Rows are scans, columns the image, its reconstruction, p(CSF), p(GM), p(WM) in [0, 1], and the anomaly map.

    The slice shown is the one with the largest lesion area; the map goes from 0 to the largest value shown of its scan.

    Args:
        runs: results folder. method: its run of the lowest seed is shown.
        scans: ids of test scans; `None` takes one without a lesion, if there is one, and up to three with.
        convention: `neurological` or `radiological`, see `pipeline.report.pictures.face`.

    Raises:
        PipelineError: no results, an unknown scan, or a method without tissue maps; the message lists the choices.
    """
    root, available = Path(runs), methods_with_tissues(runs)
    if method not in available:
        raise PipelineError(f"'{method}' kept no tissue maps in '{runs}'; available: {', '.join(available) or 'none'}")
    run = find_runs(runs, [method])[0]
    views = [view(root, scan) for scan in (chosen_scans(root) if scans is None else scans)]
    figure, axes = panels(len(views), len(COLUMNS))
    box = field(views)
    for ax, name in zip(axes[0], COLUMNS, strict=True):
        head(ax, name, INK)
    for (*pictures, anomaly), seen in zip(axes, views, strict=True):
        label, where = f"{seen.scan}   slice {seen.z}", pictures[0].transAxes
        pictures[0].text(0.0, 1 + STRIP / 4, label, color=MUTED, fontsize=8, transform=where)
        for ax, picture in zip(pictures, _pictures(run, seen), strict=True):
            ax.imshow(picture[box], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        volume = anomaly_map(run, seen.scan)
        if volume is not None:
            inside = np.ma.masked_array(upright(volume, seen.z), ~seen.support)[box]
            anomaly.imshow(inside, cmap=COLOURS, vmin=0, interpolation="nearest")
    face(axes, convention)
    return figure


def chosen_scans(root: Path) -> list[str]:
    lesions = lesion_scans(root, count=3)
    healthy = [scan for scan in scan_ids(root) if view(root, scan).lesion_ml == 0]
    return [*healthy[:1], *lesions]


def _pictures(run: Run, seen: View) -> list[np.ndarray]:
    names = ["reconstruction", *(f"label-{name}_probseg" for name in TISSUES)]
    paths = [run.folder / "maps" / f"{seen.scan}_{name}.nii.gz" for name in names]
    volumes = [np.asarray(nib.Nifti1Image.from_filename(path).dataobj) for path in paths]
    return [seen.image, *(upright(volume, seen.z) for volume in volumes)]
