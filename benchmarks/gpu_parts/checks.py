"""The tests marked `gpu`, run by pytest in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from gpu_parts.bench import Bench

ROOT = Path(__file__).resolve().parents[2]
STATES = ("PASSED", "FAILED", "ERROR", "SKIPPED")
RESULT = re.compile(rf"^(\S+::.+?) ({'|'.join(STATES)})\b", re.MULTILINE)
REASON = re.compile(r"^E  +(.+)", re.MULTILINE)


def measure(bench: Bench) -> None:
    """Only the files that have such tests are collected; those of other subjects need packages of their own."""
    start = time.monotonic()
    output = run(
        [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()], bench
    )
    found = RESULT.findall(output)
    counts = Counter(state for _, state in found)
    row = {state.lower(): counts[state] for state in STATES}
    bench.add("Tests marked `gpu`", **row, seconds=round(time.monotonic() - start, 1))
    for test, state in found:
        if state in ("FAILED", "ERROR"):
            bench.add("Tests marked `gpu` that did not pass", test=test, state=state)
    for reason in REASON.findall(output)[:20]:
        bench.add("What they say", error=reason[:300])


def run(files: list[Path], bench: Bench) -> str:
    """What pytest prints, a line a test; as far as it came when the time is over."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "--tb=short", "-p", "no:cacheprovider"]
    command += ["-W", "default"]  # an error is what a test finds, not what other versions of packages warn of
    left = max(bench.deadline - time.monotonic() - 2, 1)
    try:
        done = subprocess.run(
            [*command, *map(str, files)], cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace", timeout=left
        )
    except subprocess.TimeoutExpired as error:
        bench.left_out.append(f"tests marked gpu: some were not begun or not done after {left:.0f} s")
        printed = error.stdout or b""
        return printed if isinstance(printed, str) else printed.decode(errors="replace")
    return done.stdout
