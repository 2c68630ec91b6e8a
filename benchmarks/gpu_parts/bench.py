"""What all parts share: the device, the sample, the clock and the tables."""

from __future__ import annotations

import contextlib
import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from pipeline.workflow import MethodWorkflow

Row = dict[str, Any]


class OutOfTime(BaseException):
    """The time of a part is over; no `except Exception` on the way may take it for a failure."""


@dataclass
class Bench:
    """The state of one run, written to the JSON file after every part.

    Args:
        device: `cuda`, with the CPU of the machine beside it; or `cpu`, where all runs at a reduced size.
        sample: prepared slices of simulated discs. work: folder for what is trained.
        dataset: prepared slices to train on over many epochs; None: the sample.
        deadline: end of the part under way, `time.monotonic()`.
        tables: rows by the title of their table. left_out: what was not measured, and why.
        peaks: TFLOP/s of a matrix product, by precision.
    """

    device: str
    sample: Path
    work: Path
    dataset: Path | None = None
    deadline: float = float("inf")
    tables: dict[str, list[Row]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)

    @property
    def cuda(self) -> bool:
        return self.device == "cuda"

    @property
    def devices(self) -> list[str]:
        """The device, and the CPU beside it."""
        return ["cuda", "cpu"] if self.cuda else ["cpu"]

    def full(self, size: int, reduced: int) -> int:
        """`size` on a GPU, `reduced` on a machine without."""
        return size if self.cuda else reduced

    def add(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def fits(self, what: str, seconds: float) -> bool:
        """Whether so many seconds are left in this part; if not, `what` is left out and named."""
        if not self.cuda or time.monotonic() + seconds < self.deadline:
            return True
        self.left_out.append(f"{what}: would take about {seconds:.0f} s, more than was left")
        return False

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """One measurement: if it fails it is left out and named, and the others go on."""
        try:
            yield
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            self.left_out.append(f"{what}: {type(error).__name__}: {reason[:300]}")
        finally:
            gc.collect()
            if self.cuda:
                torch.cuda.empty_cache()


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OutOfTime inside once `seconds` have passed (in the main thread, between two Python instructions)."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def now(device: str) -> float:
    """Seconds, once the device has done all it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(call: Callable[[], Any], device: str, rounds: int = 5, calls: int = 5, at_most: float = 3.0) -> float:
    """Median over `rounds` of the mean of `calls`, after a call that does not count; stops after `at_most` seconds."""
    call()
    found: list[float] = []
    end = time.monotonic() + at_most
    for _ in range(rounds):
        start = now(device)
        for _ in range(calls):
            call()
        found.append((now(device) - start) / calls)
        if time.monotonic() > end:
            break
    return statistics.median(found)


def peak_gib(call: Callable[[], Any]) -> float | None:
    """Most memory of the GPU during a call, in GiB."""
    torch.cuda.reset_peak_memory_stats()
    call()
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)


def workflow(bench: Bench, device: str, method: str, **override: Any) -> MethodWorkflow:
    """A method of the catalogue on a device, as users run it; its runs go to the folder of this run."""
    given: dict[str, Any] = {"dataset_dir": str(bench.sample), "runs_dir": str(bench.work), **override}
    flow = MethodWorkflow(method=method, device=f"$torch.device('{device}')", **given)
    flow.initialize()
    return flow
