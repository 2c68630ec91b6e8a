"""How many threads compute, and how they wait for each other. The variables that the user has set win.

OpenMP's threads spin while they wait, and those of a process that shares the cores spin in vain: beside another
training a step costs ten times as much. torch ships GCC's libgomp, which reads its variables once, when torch is
loaded; oneDNN's own barriers spin whatever the variables say. So threads spin shortly, which has to be said before
torch is loaded, and there are only as many as there are free cores, which can be said at any time.
`python -m monai.bundle` loads torch before anything of this package: there, put `GOMP_SPINCOUNT=10000` in front.

Numbers depend on the number of threads in their last bits. OMP_NUM_THREADS fixes it, and a training that goes on takes
the number that it began with.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from functools import cache

import psutil

# About 0.1 ms of spinning in place of 3 ms, for libgomp; 1 ms in place of 200 ms for LLVM's and Intel's runtime.
WAITING = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
WAITING_OF_THE_USER = (*WAITING, "OMP_WAIT_POLICY", "KMP_LIBRARY")
NUMBER_OF_THE_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
SHORTEST_LOOK = 0.5  # s; shorter ones see the clock ticks of single processes

log = logging.getLogger(__name__)


@cache
def begin() -> tuple[float, float]:
    """Set how threads wait, before torch is loaded, and begin to look how busy the other processes keep the machine.

    Returns:
        The time, and the CPU seconds of the other processes until now.
    """
    if "torch" not in sys.modules and not _given(WAITING_OF_THE_USER):
        os.environ.update(WAITING)
    return time.monotonic(), _busy_with_others()


@cache
def settle() -> None:
    """Set the number of threads for the rest of the process, and say it in one line of the log."""
    import torch

    given = _given(NUMBER_OF_THE_USER)
    if not given:
        torch.set_num_threads(free_cores())
    why = " and ".join(given) if given else f"free of {usable_cores()} cores; OMP_NUM_THREADS=n fixes it"
    waiting = ", ".join(f"{name}={os.environ[name]}" for name in WAITING_OF_THE_USER if name in os.environ)
    unsaid = "they spin: torch was loaded before GOMP_SPINCOUNT=10000 was set"
    log.info("threads: %d (%s); %s", torch.get_num_threads(), why, waiting or unsaid)


def usable_cores() -> int:
    """Cores that this process may use, after its affinity and the quota of its container."""
    from joblib import cpu_count

    return int(cpu_count())


def free_cores() -> int:
    """Cores that other processes have left free since `begin`, 1 at least."""
    began, busy = begin()
    time.sleep(max(0.0, began + SHORTEST_LOOK - time.monotonic()))
    others = (_busy_with_others() - busy) / (time.monotonic() - began)
    return number_of_threads(usable_cores(), psutil.cpu_count() or 1, others)


def number_of_threads(usable: int, cores: int, others: float) -> int:
    """Of `usable` cores of a machine with `cores`, on which other processes keep `others` busy; half a core counts.

    >>> number_of_threads(usable=8, cores=8, others=0.3), number_of_threads(usable=8, cores=8, others=2.9)
    (8, 5)
    >>> number_of_threads(usable=4, cores=64, others=40.0), number_of_threads(usable=2, cores=2, others=5.0)
    (4, 1)
    """
    return max(1, min(usable, int(cores - others + 0.5)))


class NumberOfThreads:
    """The number of threads as state of a checkpoint: a training goes on with those that it began with.

    The numbers of a training depend on it in their last bits. What the user has set wins.
    """

    def state_dict(self) -> dict[str, int]:
        import torch

        return {"threads": torch.get_num_threads()}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        import torch

        if state["threads"] == torch.get_num_threads():
            return
        given = _given(NUMBER_OF_THE_USER)
        if given:
            log.warning("this training began with %d threads; with %s its last bits differ", state["threads"], given[0])
        else:
            torch.set_num_threads(state["threads"])
            log.info("threads: %d, as at the beginning of this training", state["threads"])


def _given(names: tuple[str, ...]) -> list[str]:
    return [f"{name}={os.environ[name]}" for name in names if name in os.environ]


def _busy_with_others() -> float:
    """CPU seconds of all processes but this one and its children that have ended."""
    times = psutil.cpu_times()
    own = os.times()
    return times.user + getattr(times, "nice", 0.0) + times.system - sum(own[:4])
