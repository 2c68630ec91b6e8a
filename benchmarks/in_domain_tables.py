"""Tables of runs on real patients: `python benchmarks/in_domain_tables.py RUNS [RUNS …]`.

Prints markdown: mean average precision (AP) a scan and pooled AP of all runs with paired differences to the best
floors, the same by size and by brightness of the lesions, and what the threshold from validation marks on slices
without a lesion. All folders must hold runs on the same scans.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pipeline.metrics import ScoreHistogram, average_precision, paired_difference
from pipeline.metrics.thresholds import load_thresholds
from pipeline.report.results import Run, find_runs

SIZES = ("small", "middle", "large")  # thirds of the scans by volume
LOW, HIGH = -0.5, 1.0  # brightness of a lesion that is like the brain, see `brightness`


@dataclass(frozen=True)
class Row:
    """A run and what it measured: counts of scores of each scan of the test."""

    run: Run
    floor: bool
    test: ScoreHistogram

    def precisions(self) -> dict[str, float]:
        """AP of each scan with a lesion."""
        found = {scan: average_precision(self.test.scan(scan)).value for scan in self.test.scans}
        return {scan: value for scan, value in found.items() if not np.isnan(value)}

    def pooled(self) -> float:
        """AP over the pixels of all scans."""
        return float(average_precision(self.test.pooled()).value)


def rows(folders: Sequence[Path]) -> list[Row]:
    """All evaluated runs below the folders; of one that lies in two, the first."""
    found: dict[tuple[str, int], Row] = {}
    for run in (run for folder in folders for run in find_runs(folder)):
        floor = bool(pd.read_csv(run.folder / "metrics.csv")["floor"].iloc[0])
        row = Row(run, floor, ScoreHistogram.load(run.folder / "test.npz"))
        found.setdefault((run.method, run.seed), row)
    return sorted(found.values(), key=lambda row: (row.floor, -_mean(row)))


def _mean(row: Row, scans: Sequence[str] | None = None) -> float:
    values = row.precisions()
    chosen = [values[scan] for scan in scans or values if scan in values]
    return float(np.mean(chosen)) if chosen else np.nan


def best_floor(found: Sequence[Row], figure: Callable[[Row], float]) -> Row:
    """The floor with the highest figure."""
    return max((row for row in found if row.floor), key=figure)


def against_floors(found: Sequence[Row]) -> pd.DataFrame:
    """A row a run: steps, both figures, and their paired differences to the best floor with 95 % intervals."""
    by_scan, by_pixel = best_floor(found, _mean), best_floor(found, Row.pooled)
    table = []
    for row in found:
        cells = {"method": f"`{row.run.method}`", "seed": row.run.seed, **_size(row.run)}
        cells |= {"mean AP a scan": f"{_mean(row):.3f}", "difference": "–", "better patients": "–"}
        cells |= {"pooled AP": f"{row.pooled():.3f}", "difference ": "–"}
        if not row.floor:
            ours, theirs = row.precisions(), by_scan.precisions()
            cells["difference"] = _interval(row, by_scan, "scan_ap")
            cells["better patients"] = f"{sum(ours[scan] > theirs[scan] for scan in ours)} of {len(ours)}"
            cells["difference "] = _interval(row, by_pixel, "auprc")
        table.append(cells)
    return pd.DataFrame(table)


def _size(run: Run) -> dict[str, str]:
    """Steps of the optimiser and its parameters, from the last checkpoint; of a run that was not trained, dashes."""
    checkpoints = list((run.folder / "checkpoints").glob("*.pt"))
    newest = max(checkpoints, key=lambda path: path.stat().st_mtime, default=None)
    saved = {} if newest is None else torch.load(newest, map_location="cpu", weights_only=True)
    if "optimizer" not in saved:
        return {"steps": "–", "parameters": "–"}
    states = list(saved["optimizer"]["state"].values())
    weights = sum(state["exp_avg"].numel() for state in states)
    return {"steps": f"{int(states[0]['step']):,}", "parameters": f"{weights / 1e6:.1f} M"}


def _interval(row: Row, floor: Row, figure: str) -> str:
    value, low, high, _ = paired_difference(row.test, floor.test, figure)
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _volume(path: Path) -> NDArray[np.float32]:
    return np.asarray(nib.Nifti1Image.from_filename(path).dataobj, dtype=np.float32)


def _reference(folder: Path, scan: str, kind: str) -> NDArray[np.float32]:
    return _volume(folder / "reference" / f"{scan}_{kind}.nii.gz")


def brightness(image: NDArray[np.float32], lesion: NDArray[np.bool_], brain: NDArray[np.bool_]) -> float:
    """Mean of the lesion less the median of the other brain, in quartile ranges of the other brain."""
    low, middle, high = np.percentile(image[brain & ~lesion], [25, 50, 75])
    return float((image[lesion].mean() - middle) / (high - low))


def groups(folder: Path, scans: Sequence[str], millilitres: Mapping[str, float]) -> dict[str, list[str]]:
    """Scans by size of the lesion, in thirds, and by its brightness."""
    ordered = sorted(scans, key=lambda scan: millilitres[scan])
    found = {}
    for name, part in zip(SIZES, np.array_split(np.array(ordered), len(SIZES)), strict=True):
        found[f"{name}, {millilitres[part[0]]:.0f} to {millilitres[part[-1]]:.0f} mL"] = part.tolist()
    values = {}
    for scan in scans:
        image, lesion, support = (_reference(folder, scan, kind) for kind in ("image", "lesion", "support"))
        values[scan] = brightness(image, lesion > 0, support > 0)
    found["dark"] = [scan for scan in scans if values[scan] < LOW]
    found["like the brain"] = [scan for scan in scans if LOW <= values[scan] < HIGH]
    found["bright"] = [scan for scan in scans if values[scan] >= HIGH]
    return {name: members for name, members in found.items() if members}


def by_group(found: Sequence[Row], parts: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Mean AP a scan of each method, over its seeds, in each group of scans."""
    methods = list(dict.fromkeys(row.run.method for row in found))
    table = []
    for method in methods:
        of_method = [row for row in found if row.run.method == method]
        cells = {"method": f"`{method}`"}
        for name, scans in parts.items():
            cells[f"{name} ({len(scans)})"] = f"{np.mean([_mean(row, scans) for row in of_method]):.3f}"
        table.append(cells)
    return pd.DataFrame(table)


def false_volumes(found: Sequence[Row], rule: str = "val_op") -> pd.DataFrame:
    """What a threshold marks on slices without a lesion, and the share of the lesions that it finds, over patients."""
    table = []
    for row in found:
        thresholds = {
            threshold.rule: threshold.value for threshold in load_thresholds(row.run.folder / "thresholds.json")
        }
        if rule not in thresholds or not (row.run.folder / "maps").is_dir():
            continue
        false, share = zip(*(_marked(row, scan, thresholds[rule]) for scan in row.precisions()), strict=True)
        cells = {"method": f"`{row.run.method}`", "seed": row.run.seed, "lesion found": f"{np.mean(share):.2f}"}
        cells |= {"false mL, mean": f"{np.mean(false):.1f}", "95th percentile": f"{np.percentile(false, 95):.1f}"}
        table.append(cells)
    return pd.DataFrame(table)


def _marked(row: Row, scan: str, threshold: float) -> tuple[float, float]:
    """False volume on slices without a lesion, in mL, and the share of the lesion that is marked."""
    folder = row.run.folder.parents[1]
    lesion, support = _reference(folder, scan, "lesion") > 0, _reference(folder, scan, "support") > 0
    marked = (_volume(row.run.folder / "maps" / f"{scan}_anomaly.nii.gz") >= threshold) & support
    spacing = nib.Nifti1Image.from_filename(folder / "reference" / f"{scan}_lesion.nii.gz").header.get_zooms()[:3]
    free = ~lesion.any(axis=(0, 1))
    inside = lesion & support
    return float(marked[:, :, free].sum() * np.prod(spacing) / 1000), float(marked[inside].mean())


def markdown(table: pd.DataFrame) -> str:
    """The table in markdown, cells as they are."""
    lines = [
        [name.strip() for name in table.columns],
        ["---"] * len(table.columns),
        *table.astype(str).to_numpy().tolist(),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables(found: Sequence[Row]) -> str:
    """All tables, in markdown."""
    first = found[0]
    volumes = pd.read_csv(first.run.folder / "scans.csv").set_index("scan")["lesion_ml"].to_dict()
    parts = groups(first.run.folder.parents[1], list(first.precisions()), volumes)
    made = against_floors(found), by_group(found, parts), false_volumes(found)
    return "\n\n".join(markdown(table) for table in made)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    print(tables(rows(parser.parse_args().runs)))


if __name__ == "__main__":
    main()
