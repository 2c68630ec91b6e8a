"""Run one function over many jobs on the workers of a dask.distributed scheduler, on one or many machines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from preprocessing.errors import PreprocessingError
from preprocessing.executors.protocol import Job, Result
from preprocessing.executors.threads import cap_threads
from preprocessing.versions import versions

CONNECT_SECONDS = 10
RECOUNT_SECONDS = 5  # workers of a cluster come and go while jobs run


class DaskWorkers:
    """The workers of a scheduler; they share a file system with this process.

    Args:
        address: `HOST:PORT` of the scheduler.
        threads: of a job.
    """

    def __init__(self, address: str, threads: int = 1) -> None:
        self.name = f"dask://{address}"
        self.address = f"tcp://{address}"
        self.threads = threads
        self.versions = versions()

    def run(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[tuple[Job, Result | None]]:
        """Each job with its result, as they finish; the result is None where the job killed every worker it was given.

        That is dask's `distributed.scheduler.allowed-failures` + 1 times. One job a worker is in flight, so that a job
        that kills its worker takes no other with it. An interruption waits for the jobs that are running and is raised
        again.

        Raises:
            PreprocessingError: dask is not installed, the scheduler does not answer or is lost, or a worker has several
                threads or other package versions.
        """
        left, running, known = deque(jobs), dict[Any, Job](), set[str]()
        with self._client() as client:
            try:
                while left or running:
                    places = max(1, self._count_workers(client, known))
                    while left and len(running) < places:
                        future = client.submit(_capped, function, self.threads, left[0], pure=False)
                        running[future] = left.popleft()
                    for future in _first(running):
                        yield running.pop(future), _result(future)
            finally:
                if client.status == "running" and running:
                    _settle(running)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            from distributed import Client
            from distributed.comm import CommClosedError
        except ImportError as error:
            raise PreprocessingError(f"{self.name} needs dask: pip install 'lesionless[dask]'") from error
        try:
            client = Client(self.address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise PreprocessingError(f"{self.name}: no dask scheduler answers within {CONNECT_SECONDS} s") from error
        try:
            with client:
                yield client
        except (CancelledError, CommClosedError) as error:
            raise PreprocessingError(f"{self.name}: the scheduler is lost; what is done stays") from error

    def _count_workers(self, client: Any, known: set[str]) -> int:
        threads = client.nthreads()
        if new := [address for address in threads if address not in known]:
            for address, found in client.run(versions, workers=new, on_error="return").items():
                self._check(address, threads[address], found)
                known.add(address)
        return len(threads)

    def _check(self, address: str, threads: int, found: Any) -> None:
        if threads != 1:
            raise PreprocessingError(f"{self.name}: worker {address} has {threads} threads; start it with --nthreads 1")
        if isinstance(found, ImportError):
            raise PreprocessingError(f"{self.name}: worker {address}: {found}; install the same packages there")
        if isinstance(found, dict) and (other := {k: v for k, v in found.items() if self.versions[k] != v}):
            package, version = next(iter(other.items()))
            raise PreprocessingError(
                f"{self.name}: worker {address} has {package} {version}, here it is {self.versions[package]}; "
                "results would depend on who computes them"
            )


def _capped(function: Callable[[Job], Result], threads: int, job: Job) -> Result:
    cap_threads(threads)
    return function(job)


def _first(running: Collection[Any]) -> Iterable[Any]:
    """What has finished, or nothing after a while."""
    from distributed import wait

    try:
        return wait(list(running), timeout=RECOUNT_SECONDS, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return ()


def _settle(running: Collection[Any]) -> None:
    from distributed import wait

    wait(list(running))


def _result(future: Any) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
