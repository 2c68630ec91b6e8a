"""What is marked where there is no lesion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.examine.reference import reference, spacing_ml, volume
from pipeline.metrics.thresholds import Threshold, load_thresholds
from pipeline.report.results import Run, find_runs, load_scans

HEALTHY, FREE = "healthy scans", "slices without a lesion of patients"


def false_volumes(runs: str | Path) -> pd.DataFrame:
    """Marked volume in mL where there is no lesion, at each threshold of each run.

    Healthy scans count as a whole; of patients the slices without a lesion count, so that a data set without healthy
    test scans has figures too.

    Args:
        runs: folder of results, RUNS/<method>/seed-<s>.

    Returns:
        One row a method, seed, threshold and kind of tissue: `method`, `seed`, `rule`, `where`, `scans`, `mean_ml`,
        `p95_ml` (over scans).

    Raises:
        PipelineError: a map or a volume is missing.
    """
    rows = []
    healthy = load_scans(runs).groupby("scan")["healthy"].first()
    for run in find_runs(runs):
        table = pd.DataFrame([row for scan, free in healthy.items() for row in _of_scan(runs, run, str(scan), free)])
        if table.empty:
            continue
        for (rule, where), part in table.groupby(["rule", "where"], sort=False):
            figures = {"scans": len(part), "mean_ml": part["ml"].mean(), "p95_ml": part["ml"].quantile(0.95)}
            rows.append({"method": run.method, "seed": run.seed, "rule": rule, "where": where, **figures})
    return pd.DataFrame(rows)


def _of_scan(runs: str | Path, run: Run, scan: str, healthy: bool) -> Iterator[dict[str, Any]]:
    path = run.folder / "maps" / f"{scan}_anomaly.nii.gz"
    lesion, support = (volume(reference(runs, scan, what)) > 0 for what in ("lesion", "support"))
    free = support & ~lesion.any(axis=(0, 1), keepdims=True)
    if not free.any():
        return
    scores, voxel = volume(path)[free], spacing_ml(path)
    for threshold in _thresholds(run):
        marked = float(np.count_nonzero(scores >= threshold.value)) * voxel
        yield {"rule": threshold.rule, "where": HEALTHY if healthy else FREE, "ml": marked}


def _thresholds(run: Run) -> list[Threshold]:
    path = run.folder / "thresholds.json"
    return load_thresholds(path) if path.is_file() else []
