"""Cost of `lesionless predict` by stage: `python benchmarks/predict.py MODEL SCAN… [--threads 2]`.

Prints a markdown table: seconds a scan for the first scan alone and for all of them, each in a process of its own,
and the peak memory of that process. The network's share grows with the pixels of the model; the other stages do not.
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
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

STAGES = {  # name → module and function, which nothing calls from within another of them
    "preparation: mask, registration, atlas grid": ("lesionless.prediction.task", "process"),
    "slices of the network": ("lesionless.prediction.preparation", "Preparation.slices"),
    "network, all slices": ("pipeline.predict.prediction", "score_volume"),
    "scan on its own grid": ("lesionless.prediction.task", "raw_scan"),
    "map back to the scan": ("pipeline.predict.prediction", "to_scan"),
    "mask and lesions": ("pipeline.predict.prediction", "find_lesions"),
    "files": ("lesionless.prediction.task", "write_files"),
    "page": ("lesionless.prediction.page.scan", "write_page"),
}
Clock = tuple[float, float]  # wall and CPU seconds


def now() -> Clock:
    return time.perf_counter(), time.process_time()


def timed(function: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        before = now()
        try:
            return function(*given, **named)
        finally:
            for place, (start, end) in enumerate(zip(before, now(), strict=True)):
                spent[place] += end - start

    return call


def watch() -> dict[str, list[float]]:
    """Wall and CPU seconds of each stage so far; they grow while scans are predicted."""
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for name, (module, path) in STAGES.items():
        owner: Any = import_module(module)
        *parts, last = path.split(".")
        for part in parts:
            owner = getattr(owner, part)
        setattr(owner, last, timed(getattr(owner, last), spent[name]))
    return spent


def run_one(model: Path, scans: list[Path], atlas: Path | None) -> dict[str, Any]:
    """In a process of its own: seconds a scan by stage, and the peak memory in GiB."""
    start = now()
    from lesionless.prediction.cohort import predict_cohort
    from lesionless.prediction.order import PREPARED, Order, opened
    from lesionless.prediction.sources import find_sources
    from pipeline.predict.model import load_network

    load_network(opened(model, atlas).model)
    began, spent = now(), watch()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        sources = find_sources(scans, opened(model, atlas).model.facts["modality"])
        done = predict_cohort(sources, Order(model, atlas, out, out / PREPARED), 0, "processes", progress=False)
    if done.failed:
        sys.exit(next(record["reason"] for record in done.records if record["state"] == "failed"))
    whole = [end - start for start, end in zip(began, now(), strict=True)]
    rows = {name: [value / len(sources) for value in values] for name, values in spent.items()}
    rows["all of a scan"] = [value / len(sources) for value in whole]
    rows["start: imports, model (once)"] = [end - begin for begin, end in zip(start, began, strict=True)]
    return {"rows": rows, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def in_process(given: argparse.Namespace, scans: list[Path]) -> dict[str, Any]:
    command = [sys.executable, __file__, str(given.model), *map(str, scans), "--one"]
    command += ["--atlas", str(given.atlas)] if given.atlas else []
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(given.threads)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--atlas", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run_one(given.model, given.scans, given.atlas)))
        return
    one, several = in_process(given, given.scans[:1]), in_process(given, given.scans)
    size = json.loads((given.model / "dataset.json").read_text())["image_size"]
    print(f"{size} px, {given.threads} thread(s), seconds a scan\n")
    print(f"| stage | one scan, s | CPU s | {len(given.scans)} scans, s | CPU s |\n|---|---:|---:|---:|---:|")
    for name, values in one["rows"].items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in (*values, *several["rows"][name])) + " |")
    print(f"| peak memory, GiB | {one['peak']:.2f} | | {several['peak']:.2f} | |")


if __name__ == "__main__":
    main()
