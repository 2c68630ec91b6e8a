"""A change of the configuration costs the steps that it concerns and those after them; results stay the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocessing.cohort.scan_request import ScanRequest, scan_requests
from preprocessing.cohort.steps import kept_path, run_steps
from preprocessing.config import load_config, step_digests
from preprocessing.scan import Scan

MEASURED: list[str] = []


class First:
    """Adds an array made by `factor`; costly."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def measure(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        MEASURED.append(type(self).__name__)
        return {"mask": np.array([True, False]), "field": np.float32([self.factor / 3]), "checks": {"a": 1.0, "b": 2}}

    def apply(self, data: Mapping[Hashable, Any], found: Mapping[str, Any]) -> dict[Hashable, Any]:
        return {**data, **found, "order": (*data.get("order", ()), type(self).__name__)}


class Second(First):
    """Another costly step."""


class Cheap:
    """Is never kept."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        MEASURED.append("Cheap")
        return {**data, "product": data["field"] * self.factor, "order": (*data["order"], "Cheap")}


def config(first: float = 1.0, second: float = 1.0, cheap: float = 1.0) -> dict[str, Any]:
    factors = {"First": first, "Second": second, "Cheap": cheap}
    transforms = [{"_target_": f"test_steps.{name}", "factor": factor} for name, factor in factors.items()]
    return {"seed": 0, "steps": {"_target_": "Compose", "transforms": transforms}}


def request(out: Path, reuse: Path | None = None, atlas: str = "atlas", **factors: float) -> ScanRequest:
    scan = Scan("sub-a", "sub-a", "T1", Path("sub-a.nii.gz"), healthy=True)
    return scan_requests([scan], out, config(**factors), atlas, reuse)[0]


def measured(request: ScanRequest, content: str = "content") -> list[str]:
    MEASURED.clear()
    data = run_steps(request, content)
    assert data["order"] == ("First", "Second", "Cheap")
    return list(MEASURED)


@pytest.mark.parametrize(
    ("factors", "content", "again"),
    [
        ({}, "content", ["Cheap"]),
        ({"cheap": 2.0}, "content", ["Cheap"]),
        ({"second": 2.0}, "content", ["Second", "Cheap"]),
        ({"first": 2.0}, "content", ["First", "Second", "Cheap"]),
        ({}, "another scan", ["First", "Second", "Cheap"]),
    ],
)
def test_a_change_costs_the_steps_from_there_on(
    tmp_path: Path, factors: dict[str, float], content: str, again: list[str]
) -> None:
    assert measured(request(tmp_path)) == ["First", "Second", "Cheap"]
    assert measured(request(tmp_path, **factors), content) == again
    assert measured(request(tmp_path / "other", tmp_path, **factors), content) == ["Cheap"]
    assert measured(request(tmp_path / "other", **factors), content) == ["Cheap"]


def test_kept_results_are_the_results(tmp_path: Path) -> None:
    one, other = (run_steps(request(tmp_path), "content") for _ in range(2))
    assert repr(one["checks"]) == repr(other["checks"])
    for key in ("mask", "field", "product"):
        assert one[key].dtype == other[key].dtype
        np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize("spoil", [lambda content: content[:-30], lambda content: b"", lambda content: b"PK" + content])
def test_a_damaged_file_is_made_anew(tmp_path: Path, spoil: Any) -> None:
    measured(request(tmp_path))
    path = kept_path(tmp_path, "sub-a", First(1.0))
    path.write_bytes(spoil(path.read_bytes()))
    assert measured(request(tmp_path)) == ["First", "Cheap"]
    assert measured(request(tmp_path)) == ["Cheap"]


def test_digests_of_steps_depend_on_what_is_before_and_on_the_nouns_that_are_named() -> None:
    base = load_config("base", {})
    named = [step[1:] for step in base["steps"]["transforms"]]
    before = step_digests(base, "atlas")
    changed = [
        step_digests({**base, name: {**base[name], "another": 1}}, "atlas")
        for name in ("load", "register", "intensity")
    ]
    for name, after in zip(("load", "register", "intensity"), changed, strict=True):
        first = named.index(name)
        assert before[:first] == after[:first]
        assert not set(before[first:]) & set(after)
    first = next(i for i, name in enumerate(named) if "@atlas" in str(base[name]))
    assert step_digests(base, "another")[:first] == before[:first]
    assert not set(step_digests(base, "another")[first:]) & set(before)
    assert step_digests({**base, "seed": 1, "image_size": 32, "slices": 3}, "atlas") == before
    mine = {**base, "lowest": 0.5, "intensity": {**base["intensity"], "low": "@lowest"}}
    assert step_digests(mine, "atlas")[-1] != step_digests({**mine, "lowest": 1.0}, "atlas")[-1]
