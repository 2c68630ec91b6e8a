"""What every executor does: run one function over many jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")
WORKER_DIED = "the worker process died (out of memory or killed)"


class Executor(Protocol):
    """Runs jobs somewhere."""

    def run(self, function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[tuple[Job, Result | None]]:
        """Each job with its result, as they finish; the result is None where the job killed its workers."""
        ...
