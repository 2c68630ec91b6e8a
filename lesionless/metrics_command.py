"""`lesionless metrics`: the figures of anybody's anomaly maps, from any method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from rich.console import Console
from rich.progress import track

from lesionless.metrics_tables import difference_line, figures_table, thresholds_table
from lesionless.scan_files import LABEL_RULES, ScanFiles, pair, read
from pipeline.errors import PipelineError
from pipeline.metrics import (
    ScoreHistogram,
    Threshold,
    fixed,
    healthy_fpr,
    load_thresholds,
    mask_figures,
    merge,
    paired_difference,
    percentile,
    scan_table,
    summarise,
)
from pipeline.metrics.summary import with_oracle

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="MAPS [LABELS] | A.npz B.npz ...",
        help="Folders (or files) of NIfTI maps and labels; without labels all are normals. With --merge: histograms.",
    ),
]


def metrics(
    paths: Paths,
    brain: Annotated[Path | None, typer.Option(help="Masks of the pixels that count; default: all pixels.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.csv, scans.csv and histogram.npz.")] = None,
    label_rule: Annotated[str, typer.Option(help=f"What a lesion is: {LABEL_RULES}.")] = "0/1",
    support: Annotated[str, typer.Option(help="The support in words; default: brain with --brain, else frame.")] = "",
    thresholds: Annotated[Path | None, typer.Option(help="thresholds.json that was saved with a model.")] = None,
    threshold: Annotated[list[float] | None, typer.Option(help="A fixed threshold; may be given again.")] = None,
    normals: Annotated[Path | None, typer.Option(help="histogram.npz of held-out normals, for percentiles.")] = None,
    against: Annotated[Path | None, typer.Option(help="histogram.npz of another method on the same scans.")] = None,
    merge_files: Annotated[bool, typer.Option("--merge", help="Pool histograms of sites; reads no map.")] = False,
    by_site: Annotated[bool, typer.Option(help="With --merge: put each file's name before its scan ids.")] = False,
    lesion_wise: Annotated[bool, typer.Option(help="Also lesion-wise figures and surface distances (slower).")] = False,
    min_ml: Annotated[float, typer.Option(help="With --lesion-wise: smallest lesion that counts, in mL.")] = 0.0,
    bits: Annotated[int, typer.Option(help="Resolution of the bins, 10 to 22; each more halves the bounds.")] = 20,
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates over scans.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Measure anomaly maps: average precision and AUROC with bounds and intervals, Dice at thresholds."""
    console = Console()
    scans = [] if merge_files else _pair(paths, brain)
    support = support or ("frame" if brain is None else "brain")
    test = _merged(paths, by_site) if merge_files else _count(scans, label_rule, support, bits)
    rules = with_oracle(test, _thresholds(thresholds, threshold, normals, test))
    figures = summarise(test, rules, replicates, seed)
    rows = scan_table(test, rules)
    if lesion_wise:
        _add_masks(rows, figures, scans, rules, label_rule, min_ml)
    console.print(figures_table(figures, test.support))
    if rules:
        console.print(thresholds_table(figures, rules))
    if against is not None:
        console.print(difference_line(paired_difference(test, _load(against), "auprc", replicates, seed), against))
    if out is not None:
        test.save(out / "histogram.npz")
        names = " ".join(path.name for path in paths)
        _write(out / "metrics.csv", [{"maps": names, "support": test.support, **figures}])
        _write(out / "scans.csv", rows)
        console.print(f"written: {out / 'metrics.csv'}, scans.csv, histogram.npz")


def _pair(paths: list[Path], brain: Path | None) -> list[ScanFiles]:
    if len(paths) > 2:
        raise PipelineError(f"{len(paths)} paths were given; give MAPS and LABELS, or histograms with --merge")
    return pair(paths[0], paths[1] if len(paths) == 2 else None, brain)


def _count(scans: list[ScanFiles], label_rule: str, support: str, bits: int) -> ScoreHistogram:
    histogram = ScoreHistogram(bits, support)
    for files in track(scans, "counting", transient=True, console=Console(stderr=True)):
        arrays = read(files, label_rule)
        # NIfTI lies in Fortran order: its transpose is in one piece and is counted without a copy.
        scores, lesion, inside = (
            torch.from_numpy(part.T)[None, None] for part in (arrays.scores, arrays.lesion, arrays.support)
        )
        histogram.update(scores, lesion, inside, [files.scan], arrays.voxel_ml)
    return histogram


def _load(path: Path) -> ScoreHistogram:
    if not path.is_file():
        raise PipelineError(f"histogram '{path}' does not exist")
    return ScoreHistogram.load(path)


def _merged(paths: list[Path], by_site: bool) -> ScoreHistogram:
    sites = [_load(path) for path in paths]
    return merge(*(site.with_prefix(f"{p.stem}/") for site, p in zip(sites, paths, strict=True)) if by_site else sites)


def _thresholds(
    saved: Path | None, values: list[float] | None, normals: Path | None, test: ScoreHistogram
) -> list[Threshold]:
    if saved is not None and not saved.is_file():
        raise PipelineError(f"thresholds '{saved}' do not exist")
    chosen = [] if saved is None else load_thresholds(saved)
    chosen += [fixed(value, test.support, test.bits) for value in values or ()]
    if normals is not None:
        healthy = _load(normals)
        chosen += [*(percentile(healthy, q) for q in (90, 95, 98)), healthy_fpr(healthy)]
    return list({threshold.rule: threshold for threshold in chosen}.values())


def _add_masks(
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


def _write(path: Path, rows: list[dict]) -> None:
    part = path.with_name(f".{path.name}.part")
    pd.DataFrame(rows).to_csv(part, index=False)
    part.replace(path)
