"""The pool: every job once, bounded, capped, and alive when a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preprocessing.errors import PreprocessingError
from preprocessing.executors import Processes, executor_named
from preprocessing.executors.threads import THREAD_VARIABLES


def square(number: int) -> int:
    return number * number


def threads(_: int) -> list[str | None]:
    return [os.environ.get(name) for name in THREAD_VARIABLES]


def die_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(path: Path) -> str:
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.dist)])
def test_every_job_runs_once(workers: int) -> None:
    assert sorted(Processes(workers).run(square, range(7))) == [(n, n * n) for n in range(7)]


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.dist)])
def test_threads_are_capped_and_the_variables_restored(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert [result for _, result in Processes(workers, threads=1).run(threads, [0])] == [["1"] * len(THREAD_VARIABLES)]
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.dist
def test_a_dead_worker_costs_its_own_job_only() -> None:
    results = dict(Processes(2).run(die_at_three, range(8)))
    assert results == {n: None if n == 3 else n for n in range(8)}


@pytest.mark.dist
def test_a_job_whose_worker_was_killed_runs_again(tmp_path: Path) -> None:
    assert dict(Processes(1).run(die_once, [tmp_path / "flag"])) == {tmp_path / "flag": "done"}


def test_jobs_here_are_taken_one_by_one() -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    results = Processes(0).run(square, jobs())
    next(results)
    assert taken == [0]


def test_negative_workers_are_refused() -> None:
    with pytest.raises(PreprocessingError, match=r"workers -1 must be 0 \(this process\) or more"):
        Processes(-1)


def test_unknown_executors_are_refused() -> None:
    for name in ("slurm", "dask://", "dask://host"):
        with pytest.raises(
            PreprocessingError, match=rf"unknown executor '{name}'; available: processes, dask://HOST:P"
        ):
            executor_named(name, 2)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from preprocessing.executors import Processes
from test_processes import say_and_wait
if __name__ == "__main__":
    list(Processes(1).run(say_and_wait, [Path(sys.argv[2])]))
"""


def say_and_wait(fifo: Path) -> None:
    """Holds `fifo` open as long as this process lives."""
    with fifo.open("w") as stream:
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        signal.pause()


@pytest.mark.dist
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    fifo, script = tmp_path / "fifo", tmp_path / "parent.py"
    os.mkfifo(fifo)
    script.write_text(PARENT)
    command = [sys.executable, str(script), str(Path(__file__).parent), str(fifo)]
    with subprocess.Popen(command) as parent, fifo.open() as stream:
        assert int(stream.readline()) != parent.pid
        parent.kill()
        assert stream.read() == ""  # ends when the worker has ended
