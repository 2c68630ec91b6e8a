"""Where jobs run: in processes of this machine, or on the workers of a dask scheduler."""

from __future__ import annotations

from preprocessing.errors import PreprocessingError
from preprocessing.executors.processes import Processes
from preprocessing.executors.protocol import Executor

__all__ = ["Executor", "Processes", "executor_named"]
DASK = "dask://"


def executor_named(name: str, workers: int, threads: int = 1) -> Executor:
    """`processes`: `workers` processes here; `dask://HOST:PORT`: the workers of that scheduler.

    Args:
        name: of the executor.
        workers: processes; 0: this one.
        threads: of a job.

    Raises:
        PreprocessingError: another name, or a negative number of workers.
    """
    if name == "processes":
        return Processes(workers, threads)
    if name.startswith(DASK) and ":" in name.removeprefix(DASK):
        from preprocessing.executors.dask import DaskWorkers  # the only one that needs dask

        return DaskWorkers(name.removeprefix(DASK), threads)
    raise PreprocessingError(f"unknown executor {name!r}; available: processes, {DASK}HOST:PORT")
