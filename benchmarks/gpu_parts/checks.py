"""The tests marked `gpu`, run by pytest in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from gpu_parts.bench import Bench

ROOT = Path(__file__).resolve().parents[2]
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


def measure(bench: Bench) -> None:
    """Only the files that have such tests are collected; those of other subjects need packages of their own."""
    files = [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "--durations=0", *files]
    command += ["-W", "default"]  # an error is what a test finds, not what other versions of packages warn of
    left = None if bench.deadline == float("inf") else max(bench.deadline - time.monotonic() - 1, 1)
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=left)
    except subprocess.TimeoutExpired as error:
        bench.left_out.append(f"tests marked gpu: not done after {error.timeout:.0f} s")
        return
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    counts = {word.rstrip("s"): int(number) for number, word in COUNT.findall(lines[-1])}
    row = {name: counts.get(name, 0) for name in ("passed", "failed", "skipped", "error")}
    bench.add("Tests marked `gpu`", **row, seconds=round(time.monotonic() - start, 1))
    for line in lines:
        if line.startswith(("FAILED", "ERROR", "SKIPPED")):
            bench.add("Tests marked `gpu` that did not pass", what=line[:300])
        elif " call " in line:
            seconds, _, test = line.split(maxsplit=2)
            bench.add("Seconds of the tests marked `gpu`", test=test, seconds=float(seconds.rstrip("s")))
