"""Average precision by what the lesions are like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import PipelineError
from pipeline.examine.reference import reference, volume
from pipeline.report.results import load_scans

SIZES = ("small", "middle", "large")
BRIGHTNESS = {"dark": (-np.inf, -0.5), "like the brain": (-0.5, 1.0), "bright": (1.0, np.inf)}


def by_lesion(runs: str | Path) -> pd.DataFrame:
    """Mean average precision a scan in groups of scans, for each run.

    By size: three groups of about as many scans, by the volume of their lesions. By brightness: the lesion's mean less
    the median of the other brain, in quartile ranges of the other brain; below −0.5 is dark, from 1 on bright.

    Args:
        runs: folder of results, RUNS/<method>/seed-<s>.

    Returns:
        One row a method, seed and group: `method`, `seed`, `by`, `group`, `from` and `to` (mL, or quartile ranges),
        `scans`, `scan_ap`.

    Raises:
        PipelineError: no scan with a lesion was measured, or a volume is missing.
    """
    scans = load_scans(runs)
    found = scans[~scans["healthy"]] if "healthy" in scans else scans.iloc[:0]
    if found.empty:
        raise PipelineError(f"'{runs}' has no measured scan with a lesion")
    sizes = found.groupby("scan")["lesion_ml"].first()
    contrast = pd.Series({scan: _contrast(runs, str(scan)) for scan in sizes.index})
    groups = [*_by_size(sizes), *_by_brightness(contrast)]
    rows = []
    for (method, seed), own in found.groupby(["method", "seed"]):
        values = own.set_index("scan")["auprc"]
        for group, members in groups:
            known = values.reindex(members).dropna()
            rows.append({"method": method, "seed": seed, **group, "scans": len(known), "scan_ap": known.mean()})
    return pd.DataFrame(rows)


def _by_size(sizes: pd.Series) -> list[tuple[dict[str, object], list[str]]]:
    ordered = sizes.sort_values(kind="stable")
    parts = [ordered.iloc[places] for places in np.array_split(np.arange(len(ordered)), len(SIZES))]
    return [
        ({"by": "size, mL", "group": name, "from": part.min(), "to": part.max()}, list(part.index))
        for name, part in zip(SIZES, parts, strict=True)
        if len(part)
    ]


def _by_brightness(contrast: pd.Series) -> list[tuple[dict[str, object], list[str]]]:
    groups = []
    for name, (low, high) in BRIGHTNESS.items():
        members = contrast[(contrast >= low) & (contrast < high)]
        if len(members):
            group = {"by": "brightness, quartile ranges", "group": name, "from": members.min(), "to": members.max()}
            groups.append((group, list(members.index)))
    return groups


def _contrast(runs: str | Path, scan: str) -> float:
    image, lesion, support = (volume(reference(runs, scan, what)) for what in ("image", "lesion", "support"))
    inside = (lesion > 0) & (support > 0)
    other = image[(lesion == 0) & (support > 0)]
    low, middle, high = np.percentile(other, [25, 50, 75]) if other.size else (np.nan,) * 3
    return float((image[inside].mean() - middle) / max(high - low, 1e-6))
