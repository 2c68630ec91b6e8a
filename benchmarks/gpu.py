"""One prepared run on a GPU, eight minutes at most: `python benchmarks/gpu.py [--dataset DIR] [--json FILE]`.

On CUDA beside the CPU of the machine: the tests marked `gpu`, average precision of 100 M pixels, training steps and
loops, whole volumes, AMCons over its epochs, and torch.compile. Without CUDA the same at a reduced size, to try it.
Prints markdown; writes all figures to one JSON file after every part. A part that is not done in its time is stopped
and keeps the rows that it has; what was left out is named.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from gpu_parts import checks, epochs, loop, machine, metrics, scoring, steps  # noqa: E402
from gpu_parts.bench import Bench, OutOfTime, limited  # noqa: E402
from tiny_dataset import write_tiny_dataset  # noqa: E402

# of each part the function, and its seconds; the last ones may take what the others did not need
PARTS: dict[str, tuple[Callable[[Bench], None], float]] = {
    "machine": (machine.measure, 20),
    "tests": (checks.measure, 80),
    "metrics": (metrics.measure, 60),
    "steps": (steps.measure, 80),
    "scoring": (scoring.measure, 50),
    "loop": (loop.measure, 40),
    "epochs": (epochs.measure, 70),
    "compile": (steps.compiled, 80),
}
MINIMUM = 15


def run(bench: Bench, parts: list[str], seconds: float, file: Path) -> dict[str, Any]:
    """Measure the parts one after the other; returns what is written to `file` after each of them."""
    end = time.monotonic() + seconds
    report: dict[str, Any] = {"device": bench.device, "parts": {}}
    for index, name in enumerate(parts):
        left, later = end - time.monotonic(), sum(PARTS[other][1] for other in parts[index + 1 :])
        part = one(bench, name, max(min(PARTS[name][1], left), left - later))
        report["parts"][name] = part
        file.write_text(json.dumps(report, indent=1))
        show(name, part)
    return report


def one(bench: Bench, name: str, seconds: float) -> dict[str, Any]:
    """Its state, seconds, tables and what was left out; no error of one part reaches the others."""
    started, state = time.monotonic(), "done"
    bench.tables, bench.left_out, bench.deadline = {}, [], started + seconds
    try:
        if seconds < MINIMUM:
            raise OutOfTime
        with limited(seconds):
            PARTS[name][0](bench)
    except OutOfTime:
        state = f"stopped after {max(seconds, 0):.0f} s" if seconds >= MINIMUM else "left out: no time is left"
    except Exception as error:
        state = f"failed: {type(error).__name__}: {error}"
    return {
        "state": state,
        "seconds": round(time.monotonic() - started, 1),
        "tables": bench.tables,
        "left_out": bench.left_out,
    }


def show(name: str, part: dict[str, Any]) -> None:
    """Print a part as markdown."""
    print(f"\n## {name}: {part['state']}, {part['seconds']} s")
    for title, rows in part["tables"].items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
        for row in rows:
            cells = ("" if row.get(column) is None else str(row[column]).replace("|", "/") for column in columns)
            print(f"| {' | '.join(cells)} |")
    if part["left_out"]:
        print("\nLeft out:\n", *(f"\n* {what}" for what in part["left_out"]), sep="")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="prepared slices to train AMCons on; without it, simulated discs")
    parser.add_argument(
        "--parts", nargs="*", default=list(PARTS), choices=list(PARTS), help="to measure; all without it"
    )
    parser.add_argument("--seconds", type=float, default=480, help="of all parts together")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="file for all figures")
    given = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size, slices = (224, 20) if device == "cuda" else (32, 3)
    with tempfile.TemporaryDirectory() as work:
        sample = write_tiny_dataset(Path(work) / "sample", size, slices)
        return run(Bench(device, sample, Path(work), given.dataset), given.parts, given.seconds, given.json)


if __name__ == "__main__":
    logging.disable(logging.INFO)  # MONAI names its logging file each time a method is read
    main()
