"""Processes of this machine: a bounded number of jobs in flight, a capped number of threads each."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from preprocessing.errors import PreprocessingError
from preprocessing.executors.protocol import Job, Result
from preprocessing.executors.threads import cap_threads, thread_variables


class Processes:
    """A pool of `workers` processes of `threads` threads each; 0 workers: in this process.

    Raises:
        PreprocessingError: a negative number of workers.
    """

    def __init__(self, workers: int, threads: int = 1) -> None:
        if workers < 0:
            raise PreprocessingError(f"workers {workers} must be 0 (this process) or more")
        self.workers = workers
        self.threads = threads

    def run(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[tuple[Job, Result | None]]:
        """See `Executor`; None: the job killed its worker twice.

        At most two jobs a worker are in flight. When a worker dies, the jobs in flight run once more, alone. An
        interruption lets the jobs that are running finish, drops the others and is raised again.
        """
        with thread_variables(self.threads):
            if self.workers == 0:
                yield from ((job, function(job)) for job in jobs)
                return
            suspects: deque[Job] = deque()
            yield from self._drain(function, deque(jobs), self.workers, suspects)
            for job in suspects:
                died: deque[Job] = deque()
                yield from self._drain(function, deque([job]), 1, died)
                yield from ((job, None) for job in died)

    def _drain(
        self, function: Callable[[Job], Result], jobs: deque[Job], workers: int, died: deque[Job]
    ) -> Iterator[tuple[Job, Result]]:
        while jobs:
            running: dict[Future[Result], Job] = {}
            pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (self.threads,))
            try:
                while jobs or running:
                    while jobs and len(running) < 2 * workers:
                        future = pool.submit(function, jobs[0])
                        running[future] = jobs.popleft()
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield running.pop(future), result
            except BrokenProcessPool:
                died.extend(running.values())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cap_threads(threads)


def _end_with_parent() -> None:
    """A parent that is killed says nothing to its workers: without this they would wait for ever for more jobs."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
