"""`lesionless metrics`: the figures of anybody's anomaly maps, from any method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lesionless.options import LABEL_RULES

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="MAPS [LABELS] | A.npz B.npz ...",
        help="Folders (or files) of NIfTI maps and labels; without labels all are healthy. With --merge: histograms.",
    ),
]


def metrics(
    paths: Paths,
    brain: Annotated[Path | None, typer.Option(help="Masks of the pixels that count; default: all pixels.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for metrics.csv, scans.csv and histogram.npz.")] = None,
    label_rule: Annotated[str, typer.Option(help=f"What a lesion is: {LABEL_RULES}.")] = "0/1",
    support: Annotated[
        str, typer.Option(help="Name of the region that counts (the support); default: brain with --brain, else frame.")
    ] = "",
    thresholds: Annotated[Path | None, typer.Option(help="thresholds.json that was saved with a model.")] = None,
    threshold: Annotated[list[float] | None, typer.Option(help="A fixed threshold; may be given again.")] = None,
    normals: Annotated[
        Path | None, typer.Option(help="histogram.npz of held-out healthy scans, for percentile thresholds.")
    ] = None,
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
    from lesionless import measure
    from lesionless.metrics_tables import difference_line, figures_table, thresholds_table
    from pipeline.metrics import paired_difference, scan_table, summarise
    from pipeline.metrics.summary import with_oracle

    console = Console()
    scans = [] if merge_files else measure.paired(paths, brain)
    support = support or ("frame" if brain is None else "brain")
    test = measure.merged(paths, by_site) if merge_files else measure.count(scans, label_rule, support, bits)
    rules = with_oracle(test, measure.chosen_thresholds(thresholds, threshold, normals, test))
    figures = summarise(test, rules, replicates, seed)
    rows = scan_table(test, rules)
    if lesion_wise:
        measure.add_masks(rows, figures, scans, rules, label_rule, min_ml)
    console.print(figures_table(figures, test.support))
    if rules:
        console.print(thresholds_table(figures, rules))
    if against is not None:
        difference = paired_difference(test, measure.load(against), "auprc", replicates, seed)
        console.print(difference_line(difference, against))
    if out is not None:
        names = " ".join(path.name for path in paths)
        measure.write(out, test, {"maps": names, "support": test.support, **figures}, rows)
        console.print(f"written: {out / 'metrics.csv'}, scans.csv, histogram.npz")
