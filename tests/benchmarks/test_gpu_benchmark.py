"""The run that waits for a GPU, at a reduced size on the CPU: every part works, and none takes the others with it."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return import_module("gpu")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def rows(report: dict, part: str) -> list[dict]:
    return [row for table in report["parts"][part]["tables"].values() for row in table]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_all_parts_run_without_a_gpu(
    gpu: ModuleType, without_cuda: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [name for name in gpu.PARTS if name != "tests"]
    gpu.main(["--json", str(tmp_path / "gpu.json"), "--parts", *parts])
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert {name: part["state"] for name, part in report["parts"].items()} == dict.fromkeys(parts, "done")
    assert all(rows(report, part) for part in parts)
    assert {row["method"] for row in rows(report, "steps")} >= {"vae", "amcons", "gradcamcons_log_barrier", "spa"}
    exact = {row["value"] for row in rows(report, "metrics") if "Histogram" not in row["what"]}
    ours = next(row["value"] for row in rows(report, "metrics") if "Histogram" in row["what"])
    assert all(value == pytest.approx(ours, rel=2e-3) for value in exact)
    assert {row["epoch"] for row in rows(report, "epochs") if row["what"] == "amcons"} == {0, 1, 2}
    left_out = [line for part in report["parts"].values() for line in part["left_out"]]
    assert all("no such method in this version" in line or "not installed" in line for line in left_out)
    assert "## metrics: done" in capsys.readouterr().out


def test_tests_are_counted_as_far_as_they_came(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, lines = gpu.Bench("cuda", tmp_path, tmp_path), "a/b.py::c[1] PASSED [ 5%]\na/b.py::d FAILED\nE   it broke\n"
    monkeypatch.setattr(gpu.checks, "run", lambda files, bench: lines)
    gpu.checks.measure(bench)
    counts, failed, said = bench.tables.values()
    assert counts[0] | {"seconds": 0} == {"passed": 1, "failed": 1, "error": 0, "skipped": 0, "seconds": 0}
    assert failed == [{"test": "a/b.py::d", "state": "FAILED"}] and said == [{"error": "it broke"}]


def test_a_part_that_fails_or_overruns_is_named_and_the_others_go_on(
    gpu: ModuleType, without_cuda: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(bench) -> None:
        bench.add("table", row=1)
        raise ValueError("no such thing")

    def overrun(bench) -> None:
        bench.add("table", row=1)
        try:
            time.sleep(10)
        except Exception:
            pytest.fail("a method's own handling of errors must not take the end of the time for one")

    short = {"broken": (fail, 1.0), "slow": (overrun, 1.0), "good": (lambda bench: bench.add("table", row=2), 1.0)}
    monkeypatch.setattr(gpu, "PARTS", short)
    monkeypatch.setattr(gpu, "MINIMUM", 0.1)
    bench = gpu.Bench("cpu", tmp_path, tmp_path)
    report = gpu.run(bench, list(short), 2.0, tmp_path / "gpu.json")
    states = [part["state"] for part in report["parts"].values()]
    assert states == ["failed: ValueError: no such thing", "stopped after 1 s", "done"]
    assert [part["tables"]["table"] for part in report["parts"].values()] == [[{"row": 1}], [{"row": 1}], [{"row": 2}]]
    late = gpu.run(bench, ["good"], 0.0, tmp_path / "late.json")
    assert late["parts"]["good"]["state"] == "left out: no time is left"
