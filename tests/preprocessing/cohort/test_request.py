"""The folder of a data set remembers what was asked; a plan says what would be done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_brain import HeadWriter, rigid

from preprocessing.cohort import ledger
from preprocessing.cohort.plan import ASSUMED_SECONDS, plan
from preprocessing.cohort.request import CohortRequest, cohort_request, load_request, save_request, scan_states
from preprocessing.cohort.run import LOCK, prepare_cohort
from preprocessing.cohort.scan_request import FOLDER, scan_requests
from preprocessing.errors import OutputError, PreprocessingError
from preprocessing.io.files import locked, sha256_file
from preprocessing.space.atlas import Atlas


@pytest.fixture
def batch(head: HeadWriter, quick_config: Path, coarse_atlas: Atlas) -> CohortRequest:
    scans = [head(f"sub-{k}", move=rigid((0, 0, 0), (k, 0, -k))) for k in range(3)]
    options = {"image_size": 20, "slices": 4, "slice_step": 2, "seed": 5}
    return cohort_request(scans, "three", str(quick_config), options, coarse_atlas.folder, workers=0)


def spoil(batch: CohortRequest, index: int) -> bytes:
    content = batch.scans[index].image.read_bytes()
    batch.scans[index].image.write_bytes(content[:2000])
    return content


def finish(out: Path) -> dict[str, str]:
    return {name: state for name, state, _ in scan_states(out)}


def test_a_folder_remembers_everything_that_was_asked(batch: CohortRequest, tmp_path: Path) -> None:
    save_request(tmp_path, batch, scan_requests(batch.scans, tmp_path, batch.config, "atlas"))
    assert load_request(tmp_path) == batch


def test_paths_are_remembered_from_the_root(head: HeadWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = head("sub-0", lesion=True)
    monkeypatch.chdir(head.root)
    relative = replace(scan, image=Path(scan.image.name), lesion=Path("sub-0_label.nii.gz"))
    assert cohort_request([relative], "one", "base", {}).scans == (scan,)


def test_nothing_to_remember(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match=r"nothing was prepared there \(no ledger/run.json\)"):
        load_request(tmp_path)


def test_rerun_of_the_failed_leaves_the_others_alone(batch: CohortRequest, tmp_path: Path) -> None:
    good = spoil(batch, 1)
    prepare_cohort(batch, tmp_path / "out", progress=False)
    assert finish(tmp_path / "out") == {"sub-0": "done", "sub-1": "failed", "sub-2": "done"}
    (tmp_path / "out" / "ledger" / "sub-2.json").unlink()
    batch.scans[1].image.write_bytes(good)
    again = prepare_cohort(load_request(tmp_path / "out"), tmp_path / "out", failed_only=True, progress=False)
    assert (again.ran, again.skipped, again.waiting, again.failures) == (1, 1, 1, {})
    assert finish(tmp_path / "out") == {"sub-0": "done", "sub-1": "done", "sub-2": "waiting"}
    last = prepare_cohort(load_request(tmp_path / "out"), tmp_path / "out", progress=False)
    assert (last.ran, last.skipped, last.waiting) == (1, 2, 0)
    assert len(json.loads(last.manifest.read_text())["items"]) == 3


def test_rerun_of_the_failed_with_nothing_done_says_so(batch: CohortRequest, tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="no scan is done and none failed; 3 wait for `rerun` without"):
        prepare_cohort(batch, tmp_path / "out", failed_only=True, progress=False)


def test_another_configuration_makes_every_scan_wait(batch: CohortRequest, tmp_path: Path) -> None:
    prepare_cohort(batch, tmp_path, progress=False)
    save_request(tmp_path, batch, scan_requests(batch.scans, tmp_path, batch.config, "another atlas"))
    assert set(finish(tmp_path).values()) == {"waiting"}


def test_a_second_run_is_refused_while_one_is_at_work(batch: CohortRequest, tmp_path: Path) -> None:
    refusal = r"ledger/lock: process \d+ on .* is at work there; wait for it"
    with locked(tmp_path / FOLDER / LOCK), pytest.raises(PreprocessingError, match=refusal):
        prepare_cohort(batch, tmp_path, progress=False)
    assert list(tmp_path.glob("sub-*")) == []


def test_a_run_removes_what_a_killed_one_left(batch: CohortRequest, tmp_path: Path) -> None:
    halves = [tmp_path / name for name in (".tmp-x", "ledger/.tmp-x", "slices/.tmp-x", "sub-0/anat/.tmp-x")]
    prepare_cohort(batch, tmp_path, progress=False)
    for path in halves:
        path.touch()
    assert prepare_cohort(batch, tmp_path, progress=False).ran == 0
    assert not any(path.exists() for path in halves)


def test_a_full_disk_stops_the_run_and_keeps_what_is_done(
    batch: CohortRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "sub-1" in str(path):
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"sub-1.*cannot be written \(No space left on device\); what is done stays"):
        prepare_cohort(batch, tmp_path, progress=False)
    monkeypatch.undo()
    assert finish(tmp_path) == {"sub-0": "done", "sub-1": "waiting", "sub-2": "waiting"}
    assert prepare_cohort(batch, tmp_path, progress=False).ran == 2


def test_a_plan_compares_and_estimates_and_reads_no_scan(
    batch: CohortRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan(batch, tmp_path / "out")
    assert [why for _, why in first.todo] == ["new"] * 3
    assert (first.total, first.measured, first.seconds) == (3, 0, ASSUMED_SECONDS)
    assert not (tmp_path / "out").exists()
    prepare_cohort(batch, tmp_path / "out", progress=False)
    spoil(batch, 2)
    raw = {scan.image for scan in batch.scans}
    hashed: list[Path] = []
    monkeypatch.setattr(
        "preprocessing.cohort.ledger.sha256_file", lambda path: hashed.append(path) or sha256_file(path)
    )
    second = plan(batch, tmp_path / "out")
    assert [(scan.id, why) for scan, why in second.todo] == [("sub-2", "input changed or touched")]
    assert not raw & set(hashed)
    records = list(ledger.records(tmp_path / "out"))
    written = sum(sum(record["outputs"].values()) for record in records)
    assert (second.measured, second.bytes) == (3, written / 3)
    assert second.seconds == pytest.approx(sum(record["seconds"] for record in records) / 3)
    arrays = sum(path.stat().st_size for path in (tmp_path / "out" / "slices").iterdir())
    assert second.slice_bytes == pytest.approx(arrays, rel=0.1)
    assert "1 of 3 scans to run" in second.summary(2) and "the mean of 3 scans here" in second.summary(2)
