"""Seconds and peak memory of `plan` and `status` for data sets of thousands of scans.

    python benchmarks/batch.py --out runs/batch [--scans 2000 20000] [--atlas FOLDER]

Makes a table of tiny raw files, plans it, writes a status file with its outputs for nine scans of ten as `run` does,
and plans and asks again. Prints markdown. The raw files hold no image: neither command opens one. Peak memory
is that of the resident set (Linux), `extra` what it is above that for the smallest number of scans.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from preprocessing.cohort import ledger
from preprocessing.cohort.request import cohort_request, save_request
from preprocessing.cohort.scan_request import ScanRequest, scan_requests
from preprocessing.config import resolve
from preprocessing.dataset import derivatives
from preprocessing.datasets import find_scans
from preprocessing.datasets.table import write_table
from preprocessing.io.files import sha256_json
from preprocessing.scan import Scan

CHECKS = {f"check_{i}": 0.9 for i in range(12)} | {"lesion_ml": 0.0, "lesion_ml_native": 0.0}
MEASURE = (
    "import re, sys, time; start = time.perf_counter(); from preprocessing.cli import app\n"
    "try: app(sys.argv[1:])\n"
    "except SystemExit: pass\n"
    "peak = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
    "print(time.perf_counter() - start, peak, file=sys.stderr)"
)


class Cost(NamedTuple):
    """Of one command in a process of its own."""

    seconds: float
    peak_mb: float


def write_raw(folder: Path, scans: int) -> None:
    """A table of `scans` scans whose files are a few bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        Scan(f"sub-{i:05d}", f"sub-{i:05d}", "FLAIR", folder / f"{i:05d}.nii.gz", healthy=True) for i in range(scans)
    ]
    for scan in rows:
        scan.image.write_text(scan.id)
    write_table(rows, folder / "scans.csv", folder)


def write_ledger(raw: Path, out: Path, atlas: Path | None) -> None:
    """What a run leaves behind that was stopped after nine of ten scans; every hundredth failed."""
    batch = cohort_request(find_scans("table", raw), "table", "base", {}, atlas)
    requests = scan_requests(batch.scans, out, *resolve(batch.config, batch.atlas))
    save_request(out, batch, requests)
    for i, request in enumerate(requests[: len(requests) * 9 // 10]):
        ledger.write(request, _failed(request) if i % 100 == 0 else _done(request))


def _failed(request: ScanRequest) -> ledger.Record:
    return {"id": request.scan.id, "state": "failed", "reason": "unreadable", "request": request.digest, "seconds": 0.1}


def _done(request: ScanRequest) -> ledger.Record:
    paths = [str(path) for path in derivatives.names(request.scan).values()]
    for path in paths:
        (request.out / path).parent.mkdir(parents=True, exist_ok=True)
        (request.out / path).write_bytes(b"x")
    facts = {"id": request.scan.id, "state": "done", "reason": None, "request": request.digest, "seconds": 7.5}
    digest = sha256_json(request.scan.id)
    inputs = ledger.inputs(request.scan)
    outputs = dict.fromkeys(paths, 1)
    return facts | {"key": digest, "input_sha256": digest, "inputs": inputs, "outputs": outputs, "checks": CHECKS}


def measure(*arguments: str) -> Cost:
    """Run the command in a process of its own."""
    done = subprocess.run([sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stderr.split()[-2:])
    return Cost(seconds, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scans", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--atlas", type=Path)
    options = parser.parse_args()
    smallest: dict[str, float] = {}
    print("| command | scans | seconds | peak memory MB | extra MB |\n|---|---|---|---|---|")
    for scans in sorted(options.scans):
        raw, out = options.out / f"raw{scans}", options.out / f"prepared{scans}"
        write_raw(raw, scans)
        source = ["--dataset", "table", "--root", str(raw), "--out", str(out)]
        source += ["--atlas", str(options.atlas)] if options.atlas else []
        costs = {"plan, nothing done": measure("plan", *source)}
        write_ledger(raw, out, options.atlas)
        costs |= {"plan, 9 of 10 done": measure("plan", *source), "status": measure("status", "--out", str(out))}
        for name, cost in costs.items():
            extra = cost.peak_mb - smallest.setdefault(name, cost.peak_mb)
            print(f"| {name} | {scans} | {cost.seconds:.1f} | {cost.peak_mb:.0f} | {extra:.0f} |", flush=True)


if __name__ == "__main__":
    main()
