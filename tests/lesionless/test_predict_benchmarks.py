"""The scripts that measure `predict`: every stage that they name is there, and the verdicts' resampling is fair."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from packed_model import MOVE, Packed
from synthetic_brain import HeadWriter

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def script(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_stages_are_parts_of_the_whole(packed: Packed, head: HeadWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = script("predict")
    for module, path in predict.STAGES.values():  # what `watch` replaces is put back after the test
        *parts, last = path.split(".")
        owner = import_module(module)
        for part in parts:
            owner = getattr(owner, part)
        monkeypatch.setattr(owner, last, getattr(owner, last))
    found = predict.run_one(packed.model, [head("sub-o1", move=MOVE).image], None)
    stages = [found["rows"][name][0] for name in predict.STAGES]
    assert min(stages) > 0
    assert 0.5 * found["rows"]["all of a scan"][0] < sum(stages) <= found["rows"]["all of a scan"][0]
    assert found["peak"] > 0.1


def test_promises_are_kept_for_exchangeable_scans_and_drift_sees_others(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = script("verdicts")
    rng = np.random.default_rng(0)
    verdicts.verdicts(list(rng.normal(0, 1, 60)), list(rng.normal(8, 1, 30)), 0.1, 200)
    rows = {line.split("|")[1].strip(): float(line.split("|")[3].split()[0]) for line in table(capsys)}
    assert rows["healthy, called abnormal"] <= 11
    assert rows["patients, called normal"] <= 11
    assert rows["patients, called abnormal"] > 80
    facts = [{"a": value, "b": -value} for value in rng.normal(0, 1, 60)]
    verdicts.flagged(facts, {"far": [{"a": 9.0, "b": 9.0}]}, 50)
    rows = {line.split("|")[1].strip(): float(line.split("|")[3].split()[0]) for line in table(capsys)}
    assert rows["as the normals'"] <= 6
    assert rows["far"] == 100


def table(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if "±" in line]
