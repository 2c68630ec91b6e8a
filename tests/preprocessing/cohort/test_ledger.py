"""A scan runs again when, and only when, something that decides its result is another."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preprocessing.cohort import ledger
from preprocessing.cohort.scan_request import ScanRequest, scan_requests
from preprocessing.config import load_config
from preprocessing.io.files import read_json
from preprocessing.scan import Scan

Change = Callable[[Scan, Path], None]


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    for name in ("image", "label"):
        (tmp_path / name).write_text(name)
    return Scan("sub-a", "sub-a", "T1", tmp_path / "image", lesion=tmp_path / "label")


def ask(scan: Scan, out: Path, atlas: str = "atlas", **changes: Any) -> ScanRequest:
    (request,) = scan_requests([scan], out, {**load_config("base", {}), **changes}, atlas)
    return request


@pytest.fixture
def done(scan: Scan, tmp_path: Path) -> ScanRequest:
    request = ask(scan, tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "volume").write_text("volume")
    outputs = {"volume": 6}
    record = {"id": scan.id, "state": "done", "request": request.digest, "inputs": ledger.inputs(scan)}
    ledger.write(request, {**record, "outputs": outputs})
    return request


def why(request: ScanRequest, hashing: bool = True) -> str | None:
    return ledger.why(request, read_json(request.path), hashing=hashing)


def same_size_and_time(scan: Scan, out: Path) -> None:
    stat = scan.image.stat()
    scan.image.write_text("IMAGE")
    os.utime(scan.image, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES: list[tuple[Change, str | None]] = [
    (lambda scan, out: None, None),
    (lambda scan, out: scan.image.touch(), None),
    (same_size_and_time, "input changed"),
    (lambda scan, out: scan.lesion.write_text("another label"), "input changed"),
    (lambda scan, out: scan.image.unlink(), "input changed"),
    (lambda scan, out: (out / "volume").unlink(), "output lost"),
    (lambda scan, out: (out / "volume").write_text("vol"), "output lost"),
    (lambda scan, out: (out / "ledger" / "sub-a.json").write_text('{"half'), "new"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_files_decide(done: ScanRequest, change: Change, reason: str | None) -> None:
    change(done.scan, done.out)
    assert why(done) == reason


def test_what_is_asked_decides(done: ScanRequest) -> None:
    other = "other configuration, versions or facts about the scan"
    scan, out = done.scan, done.out
    assert why(ask(scan, out, atlas="another")) == other
    assert why(ask(replace(scan, subject="sub-b"), out)) == other
    assert why(ask(scan, out, resample={"_target_": "other"})) == other
    assert why(ask(replace(scan, split="test"), out, image_size=224, slices=40)) is None
    assert why(ask(scan, out, seed=1)) is None
    liked = replace(scan, flair_like=True)
    assert ask(liked, out).digest != ask(liked, out, seed=1).digest


def test_without_hashing_no_input_is_read(done: ScanRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preprocessing.cohort.ledger.sha256_file", lambda path: pytest.fail(f"{path} was read"))
    assert why(done, hashing=False) is None
    done.scan.image.touch()
    assert why(done, hashing=False) == "input changed or touched"


def test_times_of_moved_files_are_noted_once(done: ScanRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    done.scan.image.touch()
    record = read_json(done.path)
    assert record is not None and why(done) is None
    ledger.refresh(done, record)
    monkeypatch.setattr("preprocessing.cohort.ledger.sha256_file", lambda path: pytest.fail(f"{path} was read"))
    assert why(done) is None
