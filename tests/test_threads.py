"""Threads and their waiting are chosen before torch is loaded, and what the user has set wins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from pipeline import threads
from pipeline.threads import number_of_threads

SETTLED = """
import logging, os
from pipeline import threads
threads.begin()
logging.basicConfig(level=logging.INFO, format="%(message)s")
threads.settle()
threads.settle()
import torch
print(torch.get_num_threads(), os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""


def settled(code: str = SETTLED, **variables: str) -> tuple[list[str], list[str]]:
    """Threads, spin count and wait policy of a fresh process, and the lines of its log."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP", "GOMP", "KMP", "MKL"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **variables}, check=True
    )
    return done.stdout.split(), done.stderr.splitlines()


def test_threads_spin_shortly_and_are_no_more_than_the_cores() -> None:
    (threads, spins, policy), lines = settled()
    assert 1 <= int(threads) <= (os.cpu_count() or 1) and (spins, policy) == ("10000", "None")
    assert len(lines) == 1 and lines[0].startswith(f"threads: {threads} (free of ") and "GOMP_SPINCOUNT" in lines[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"OMP_NUM_THREADS": "1"}, ["1", "10000", "None"]),
        ({"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "ACTIVE"}, ["1", "None", "ACTIVE"]),
        ({"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "77"}, ["1", "77", "None"]),
    ],
)
def test_variables_of_the_user_win(given: dict[str, str], expected: list[str]) -> None:
    found, lines = settled(**given)
    assert found == expected
    assert all(f"{name}={value}" in lines[0] for name, value in given.items())


def test_torch_that_is_loaded_already_is_told_of() -> None:
    found, lines = settled("import torch" + SETTLED, OMP_NUM_THREADS="1")
    assert found == ["1", "None", "None"] and "torch was loaded before" in lines[0]


def test_one_thread_at_least_and_none_for_a_core_that_others_use() -> None:
    numbers = [number_of_threads(usable=4, cores=4, others=busy) for busy in (0.0, 0.4, 0.6, 2.0, 9.0)]
    assert numbers == [4, 4, 3, 2, 1]
    assert number_of_threads(usable=2, cores=64, others=50.0) == 2


def test_a_training_goes_on_with_the_threads_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads.NUMBER_OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    try:
        threads.NumberOfThreads().load_state_dict({"threads": before + 1})
        assert threads.NumberOfThreads().state_dict() == {"threads": before + 1}
    finally:
        torch.set_num_threads(before)


def test_the_number_that_the_user_has_set_wins_and_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    threads.NumberOfThreads().load_state_dict({"threads": before + 3})
    assert torch.get_num_threads() == before
    assert f"began with {before + 3} threads; with OMP_NUM_THREADS=1 its last bits differ" in caplog.text
