"""The workers of a dask scheduler do what the processes do: every job once, bounded, capped, alive after a death."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic_brain import HeadWriter, rigid
from test_processes import die_at_three, die_once, square, threads

from preprocessing.cohort.request import cohort_request
from preprocessing.cohort.run import prepare_cohort
from preprocessing.cohort.scan_request import FOLDER
from preprocessing.errors import PreprocessingError
from preprocessing.executors import executor_named
from preprocessing.executors.dask import DaskWorkers
from preprocessing.executors.threads import THREAD_VARIABLES
from preprocessing.space.atlas import Atlas

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.dist


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two workers on this machine's loopback device, without a dashboard."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster.scheduler_address.replace("tcp://", "dask://")


def test_every_job_runs_once_with_capped_threads(scheduler: str) -> None:
    executor = executor_named(scheduler, 0)
    assert sorted(executor.run(square, range(7))) == [(n, n * n) for n in range(7)]
    assert list(executor.run(threads, [0])) == [(0, ["1"] * len(THREAD_VARIABLES))]


def in_flight(folder: Path) -> int:
    """How many jobs are at work, this one counted."""
    (folder / str(os.getpid())).touch()
    count = len(list(folder.iterdir()))
    (folder / str(os.getpid())).unlink()
    return count


def test_one_job_a_worker_is_in_flight_and_jobs_are_not_taken_ahead(scheduler: str, tmp_path: Path) -> None:
    results = executor_named(scheduler, 0).run(in_flight, [tmp_path] * 9)
    assert all(count is not None and count <= 2 for _, count in results)


@pytest.mark.slow
def test_a_dead_worker_costs_its_own_job_only(scheduler: str, tmp_path: Path) -> None:
    executor = executor_named(scheduler, 0)
    assert dict(executor.run(die_at_three, range(8))) == {n: None if n == 3 else n for n in range(8)}
    assert dict(executor.run(die_once, [tmp_path / "flag"])) == {tmp_path / "flag": "done"}


def test_an_interruption_waits_for_what_runs_and_is_raised_again(scheduler: str, tmp_path: Path) -> None:
    results = executor_named(scheduler, 0).run(square, range(100))
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    with distributed.Client(scheduler.replace("dask://", "tcp://"), set_as_default=False) as client:
        assert not any(client.processing().values())


def test_a_scheduler_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preprocessing.executors.dask.CONNECT_SECONDS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # does not listen
        name = f"dask://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PreprocessingError, match=rf"{name}: no dask scheduler answers within 1 s"):
            list(executor_named(name, 0).run(square, [1]))


def test_a_worker_with_other_versions_is_refused(scheduler: str) -> None:
    executor = DaskWorkers(scheduler.removeprefix("dask://"))
    executor.versions = executor.versions | {"numpy": "0.1"}
    with pytest.raises(PreprocessingError, match=r"worker tcp://\S+ has numpy \S+, here it is 0.1; results would"):
        list(executor.run(square, [1]))


def test_a_worker_with_several_threads_or_without_the_package_is_refused() -> None:
    executor = DaskWorkers("host:1")
    with pytest.raises(PreprocessingError, match="dask://host:1: worker tcp://w has 2 threads; start it with --nthre"):
        executor._check("tcp://w", 2, executor.versions)
    with pytest.raises(PreprocessingError, match="worker tcp://w: No module named 'preprocessing'; install the same"):
        executor._check("tcp://w", 1, ModuleNotFoundError("No module named 'preprocessing'"))


@pytest.mark.slow
def test_dask_and_this_process_give_the_same_bytes(
    scheduler: str, head: HeadWriter, quick_config: Path, coarse_atlas: Atlas, tmp_path: Path
) -> None:
    scans = [head(f"sub-{k}", move=rigid((0, 0, 0), (k, 0, -k)), lesion=k > 1) for k in range(4)]
    scans[1].image.write_bytes(scans[1].image.read_bytes()[:2000])
    found = []
    for executor in ("processes", scheduler):
        out = tmp_path / executor[:4]
        batch = cohort_request(scans, "same", str(quick_config), {}, coarse_atlas.folder, executor=executor, workers=0)
        prepare_cohort(batch, out, progress=False)
        files = [path for path in out.rglob("*") if path.is_file() and path.parent.name != FOLDER]
        found.append({path.relative_to(out): path.read_bytes() for path in files})
    assert found[0] == found[1] and len(found[0]) > 20
