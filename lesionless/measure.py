"""What `lesionless metrics` does with the files that it is given: histograms of scans, thresholds, figures of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.progress import track

from lesionless.scan_files import ScanFiles, pair, read
from pipeline.errors import PipelineError
from pipeline.files import write_csv
from pipeline.metrics import (
    ScoreHistogram,
    Threshold,
    fixed,
    healthy_fpr,
    load_thresholds,
    mask_figures,
    merge,
    percentile,
)


def paired(paths: list[Path], brain: Path | None) -> list[ScanFiles]:
    """The scans of MAPS [LABELS]; raises PipelineError for more paths than two, and as `pair`."""
    if len(paths) > 2:
        raise PipelineError(f"{len(paths)} paths were given; give MAPS and LABELS, or histograms with --merge")
    return pair(paths[0], paths[1] if len(paths) == 2 else None, brain)


def count(scans: list[ScanFiles], label_rule: str, support: str, bits: int) -> ScoreHistogram:
    """The histogram of all scans."""
    histogram = ScoreHistogram(bits, support)
    for files in track(scans, "counting", transient=True, console=Console(stderr=True)):
        arrays = read(files, label_rule)
        # NIfTI lies in Fortran order: its transpose is in one piece and is counted without a copy.
        scores, lesion, inside = (
            torch.from_numpy(part.T)[None, None] for part in (arrays.scores, arrays.lesion, arrays.support)
        )
        histogram.update(scores, lesion, inside, [files.scan], arrays.voxel_ml)
    return histogram


def load(path: Path) -> ScoreHistogram:
    """The histogram of a file; raises PipelineError where there is none."""
    if not path.is_file():
        raise PipelineError(f"histogram '{path}' does not exist")
    return ScoreHistogram.load(path)


def merged(paths: list[Path], by_site: bool) -> ScoreHistogram:
    """The histograms of several sites as one; `by_site` puts the name of its file before a scan id."""
    sites = [load(path) for path in paths]
    return merge(*(site.with_prefix(f"{p.stem}/") for site, p in zip(sites, paths, strict=True)) if by_site else sites)


def chosen_thresholds(
    saved: Path | None, values: list[float] | None, normals: Path | None, test: ScoreHistogram
) -> list[Threshold]:
    """Thresholds from a saved file, fixed values and held-out normals, each rule once."""
    if saved is not None and not saved.is_file():
        raise PipelineError(f"thresholds '{saved}' do not exist")
    chosen = [] if saved is None else load_thresholds(saved)
    chosen += [fixed(value, test.support, test.bits) for value in values or ()]
    if normals is not None:
        healthy = load(normals)
        chosen += [*(percentile(healthy, q) for q in (90, 95, 98)), healthy_fpr(healthy)]
    return list({threshold.rule: threshold for threshold in chosen}.values())


def add_masks(
    rows: list[dict],
    figures: dict[str, float],
    scans: list[ScanFiles],
    rules: list[Threshold],
    rule: str,
    min_ml: float,
) -> None:
    """Figures that need the masks themselves, into the rows of the scans and as means over scans into the figures."""
    if not scans:
        raise PipelineError("--lesion-wise needs the maps; histograms do not hold where a pixel lies")
    files = {item.scan: item for item in scans}
    names: dict[str, None] = {}
    for row in track(rows, "comparing lesions", transient=True, console=Console(stderr=True)):
        arrays = read(files[row["scan"]], rule)
        lesion = arrays.lesion & arrays.support
        for threshold in rules:
            mask = (arrays.scores >= np.float32(threshold.value)) & arrays.support
            values = mask_figures(mask, lesion, arrays.spacing, min_ml)
            new = {f"{name}@{threshold.rule}": value for name, value in values.items()}
            row |= new
            names |= dict.fromkeys(new)
    figures |= {name: float(pd.Series([row[name] for row in rows]).mean()) for name in names}


def write(out: Path, test: ScoreHistogram, figures: dict[str, object], rows: list[dict]) -> None:
    """Write histogram.npz, metrics.csv (one row) and scans.csv (one row for each scan) into the folder `out`."""
    test.save(out / "histogram.npz")
    write_csv(out / "metrics.csv", pd.DataFrame([figures]))
    write_csv(out / "scans.csv", pd.DataFrame(rows))
