"""Two data sets of the same patients, to compare what a network is trained on: healthy heads, or patients.

    python benchmarks/training_regimes.py --phantom COHORT/raw --out runs/regimes [--prepared COHORT/dataset]
    lesionless ablation when_constraint_helps runs/regimes/healthy runs/regimes/patients --out runs/when --epochs 10

`healthy`: healthy heads train. `patients`: the lesion-free slices of 40 % of the patients do, as in Silva-Rodríguez et
al. 2022. Both have the same validation (20 % of the patients), test (the other 40 %, and healthy heads) and
calibration. Without `--phantom` the scans are those of `ixi_to_flair_lesions.py`. `--prepared` is a data set made of
the same raw scans, which are copied instead of prepared again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ixi_to_flair_lesions import scans

from preprocessing.cli.options import slice_count
from preprocessing.cohort.run import prepare
from preprocessing.config import load_config
from preprocessing.dataset.splits import assign
from preprocessing.datasets import Scan, find_scans

PATIENTS = {"train": 0.4, "validation": 0.2}


def regimes(found: list[Scan]) -> dict[str, list[Scan]]:
    """The scans of each regime, with their split."""
    shares = {**load_config("base", {})["split"], "lesion": PATIENTS}
    split = assign([scan if scan.healthy else replace(scan, split=None) for scan in found], shares, seed=0)
    stated = [replace(scan, split=split[scan.id]) for scan in found]
    return {
        "healthy": [scan for scan in stated if scan.healthy or scan.split != "train"],
        "patients": [scan for scan in stated if not scan.healthy or scan.split != "train"],
    }


def main() -> None:
    """Write the data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantom", type=Path, help="raw heads of the sample cohort")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/regimes"))
    parser.add_argument("--prepared", type=Path)
    parser.add_argument("--slices", type=slice_count, default=10)
    parser.add_argument("--slice-step", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    found = find_scans("phantom", given.phantom) if given.phantom else scans(given.data)
    cohort = "sample cohort" if given.phantom else "real scans"
    for name, chosen in regimes(found).items():
        out = given.out / name
        if given.prepared and not out.exists():
            shutil.copytree(given.prepared, out)
        prepared = prepare(
            chosen, out, f"{cohort}, trained on {name}", slices=given.slices, slice_step=given.slice_step,
            workers=given.workers,
        )  # fmt: skip
        manifest = json.loads(prepared.manifest.read_text())
        counts = Counter(item["split"] for item in manifest["items"])
        print(f"{name}: {dict(counts)}; scans prepared anew: {prepared.ran}; failed: {prepared.failures}")


if __name__ == "__main__":
    main()
