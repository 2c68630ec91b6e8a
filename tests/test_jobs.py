"""Method × seed as a job: the ledger is the truth, what fails is named, and nothing is computed twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from lesionless.cli import app
from lesionless.jobs import run_jobs, threads_of_a_job
from pipeline import ledger
from pipeline.errors import PipelineError
from pipeline.gpus import one_gpu
from pipeline.jobs import Job, attempt, note, plan, run_job
from pipeline.leaderboard import collect, run_leaderboard
from pipeline.ledger import Record
from pipeline.lock import locked
from pipeline.source import source_digest
from preprocessing.errors import PreprocessingError

TOYS = Path(__file__).parent / "toy_methods"
FAILS, DIES = str(TOYS / "fails.yaml"), str(TOYS / "dies_once.yaml")


def stub(job: Job) -> Record:
    """What a method leaves, without the method: rows of a byte."""
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in ledger.OUTPUTS:
        (job.folder / name).write_text("x")
    return note(job, ledger.DONE, seconds=1.0, outputs=ledger.outputs(job.folder))


def states(runs: Path) -> dict[str, str]:
    return {name: record["state"] for name, record in ledger.records(runs)}


def test_each_method_and_seed_is_a_job_with_one_status_file(tiny_dataset: Path, tmp_path: Path) -> None:
    jobs = plan(["intensity", "histeq"], tiny_dataset, tmp_path, [0, 7])
    names = ["intensity/seed-0", "intensity/seed-7", "histeq/seed-0", "histeq/seed-7"]
    assert [job.name for job in jobs] == names and len({job.digest for job in jobs}) == 4
    assert run_jobs(jobs, function=stub).ran == 4
    assert states(tmp_path) == dict.fromkeys(sorted(names), "done")
    assert len(list((tmp_path / "ledger").rglob("*.*"))) == 4


def test_the_ledger_is_the_truth(tiny_dataset: Path, tmp_path: Path) -> None:
    jobs = plan(["intensity"], tiny_dataset, tmp_path, range(5))
    run_jobs(jobs, function=stub)
    ledger.status_file(jobs[0].folder).unlink()
    (jobs[1].folder / "test.npz").unlink()
    (jobs[2].folder / "metrics.csv").write_text("")
    note(jobs[3], ledger.RUNNING, where="a machine that was switched off")
    ran: list[str] = []
    again = run_jobs(jobs, function=lambda job: ran.append(job.name) or stub(job))  # type: ignore[func-returns-value]
    assert ran == [job.name for job in jobs[:4]] and again.skipped == 1
    changed = [replace(job, digest="other settings") for job in jobs]
    assert run_jobs(changed, function=stub).ran == 5


def test_seeds_share_a_reading_of_the_configuration_and_other_settings_are_other_jobs(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    together = plan(["vae"], tiny_dataset, tmp_path, [0, 1])
    assert [plan(["vae"], tiny_dataset, tmp_path, [seed])[0] for seed in (0, 1)] == together
    assert plan(["vae"], tiny_dataset, tmp_path, [0], beta=2.0)[0].digest != together[0].digest


def test_what_fails_is_reported_in_a_line_and_the_others_go_on(
    tiny_dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner, given = CliRunner(), ["run", str(tiny_dataset), "--out", str(tmp_path), "--methods", f"{FAILS},intensity"]
    result = runner.invoke(app, given)
    reason = "ArithmeticError: no map comes out of this"
    assert result.exit_code == 1 and f"failed: fails/seed-0: {reason}" in result.output
    assert states(tmp_path) == {"fails/seed-0": "failed", "intensity/seed-0": "done"}
    record = ledger.read(tmp_path / "fails/seed-0")
    assert record is not None and "dies_once.py" in record["traceback"] and record["reason"] == reason
    assert pd.read_csv(tmp_path / "metrics.csv")["method"].tolist() == ["intensity"]
    status = runner.invoke(app, ["status", str(tmp_path)])
    assert status.exit_code == 1 and status.output == f"failed: fails/seed-0: {reason}\n1 done, 1 failed\n"
    again = runner.invoke(app, ["rerun", str(tmp_path), "--failed"])
    assert again.exit_code == 1 and "1 job ran, 1 not due, 1 failed" in again.output


@pytest.mark.dist
def test_a_job_whose_worker_was_killed_runs_again_and_rows_are_those_of_one_process(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{TOYS.parent}:{TOYS.parents[1]}")
    flag = tmp_path / "flag"
    given = {"flag": str(flag), "max_epochs": 1}
    outcome = run_jobs(plan([DIES], tiny_dataset, tmp_path / "two", **given), workers=2)
    assert flag.exists() and outcome.failed == {} and outcome.ran == 1
    one = run_leaderboard([DIES], tiny_dataset, tmp_path / "one", **given)
    pd.testing.assert_frame_equal(collect(tmp_path / "two"), one, check_exact=True)


def test_a_job_that_kills_every_worker_has_failed(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        def run(self, function, jobs):
            yield from ((job, None) for job in jobs)

    monkeypatch.setattr("lesionless.jobs.executor_named", lambda *_: Dying())
    outcome = run_jobs(plan(["intensity"], tiny_dataset, tmp_path), workers=2)
    assert outcome.failed == {"intensity/seed-0": "the worker process died (out of memory or killed), each time that "
                              "it was tried"}  # fmt: skip
    assert states(tmp_path) == {"intensity/seed-0": "failed"}


def refused(job: Job, message: str) -> None:
    record = attempt(job)
    assert record["state"] == "failed" and message in record["reason"] and "\n" not in record["reason"]
    assert not job.folder.exists(), "nothing is written from there"


def test_a_worker_that_would_compute_something_else_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    job = plan(["intensity"], tiny_dataset, tmp_path / "runs")[0]
    refused(job, f"does not see the results '{tmp_path / 'runs'}'")
    note(job, ledger.WAITING)
    refused(replace(job, release="lesionless 0.0.1"), "the job is of lesionless 0.0.1, the worker on ")
    refused(replace(job, code="0ld"), "the job is of the code 0ld, the worker on ")
    refused(replace(job, dataset_hash="f00"), f"sees another data set in '{tiny_dataset}': hash ")
    gone = replace(job, settings={**job.settings, "dataset_dir": str(tmp_path / "gone")})
    refused(gone, f"does not see the data set '{tmp_path / 'gone'}': it needs the same path there")
    assert run_jobs([gone]).failed.keys() == {job.name} and states(tmp_path / "runs") == {job.name: "failed"}


def test_a_folder_of_another_release_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    job = plan(["intensity"], tiny_dataset, tmp_path)[0]
    note(replace(job, release="lesionless 0.0.1"), ledger.DONE, outputs={})
    with pytest.raises(PipelineError, match="seed-0' is of another release: lesionless 0.0.1; this is lesionless"):
        plan(["intensity"], tiny_dataset, tmp_path)


def test_results_of_other_code_of_the_same_release_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    job = plan(["intensity"], tiny_dataset, tmp_path)[0]
    run_jobs([job])
    assert json.loads((job.folder / "recipe.json").read_text())["code"] == job.code == source_digest()
    note(replace(job, code="0ld"), ledger.DONE, outputs={})
    with pytest.raises(
        PipelineError, match=r"seed-0' is of other code of this release: 0ld; this is .* choose another"
    ):
        plan(["intensity"], tiny_dataset, tmp_path)
    note(replace(job, code="0ld"), ledger.WAITING)
    assert plan(["intensity"], tiny_dataset, tmp_path) == [job], "nothing was made by that code"
    recipe = job.folder / "recipe.json"
    recipe.write_text(recipe.read_text().replace(job.code, "0ld"))
    with pytest.raises(PipelineError, match="of other code of this release: 0ld"):
        plan(["intensity"], tiny_dataset, tmp_path)
    ledger.status_file(job.folder).unlink()
    with pytest.raises(PipelineError, match="of other code of this release: 0ld"):
        plan(["intensity"], tiny_dataset, tmp_path)


def test_a_status_file_that_cannot_be_read_is_named_and_its_job_not_forgotten(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    one, two = plan(["intensity"], tiny_dataset, tmp_path, [0, 1])
    run_jobs([one, two], function=stub)
    path = ledger.status_file(two.folder)
    whole = path.read_text()
    nameless = {key: value for key, value in json.loads(whole).items() if key != "method"}
    for text in (whole[:200], json.dumps(nameless)):
        path.write_text(text)
        for verb in ("status", "rerun"):
            error = CliRunner().invoke(app, [verb, str(tmp_path)]).exception
            assert isinstance(error, PipelineError) and f"'{path}' is no whole status file" in str(error)
    assert run_jobs([one, two], function=stub).ran == 1 and path.read_text() == whole


def test_the_digest_of_the_source_is_that_of_every_python_file_and_its_place(tmp_path: Path) -> None:
    copies = [tmp_path / name for name in ("a", "b", "changed", "moved", "more")]
    for copy in copies:
        (copy / "losses").mkdir(parents=True)
        (copy / "losses/one.py").write_text("x = 1\n")
        (copy / "notes.txt").write_text(copy.name)
    (tmp_path / "changed/losses/one.py").write_text("x = 2\n")
    (tmp_path / "moved/losses/one.py").rename(tmp_path / "moved/one.py")
    (tmp_path / "more/two.py").touch()
    a, b, *others = map(source_digest, copies)
    assert a == b and len({a, *others}) == 4


def test_a_worker_whose_method_file_says_something_else_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    job = plan(["vae"], tiny_dataset, tmp_path, beta=2.0)[0]
    note(job, ledger.WAITING)
    record = attempt(replace(job, settings={**job.settings, "beta": 3.0}))
    assert record["reason"].startswith("vae/seed-0: the settings on ") and not (job.folder / "stages.json").exists()


def test_a_half_written_row_is_refused_by_name_and_written_anew(tiny_dataset: Path, tmp_path: Path) -> None:
    first = run_leaderboard(["intensity"], tiny_dataset, tmp_path)
    row = tmp_path / "intensity/seed-0/metrics.csv"
    whole = row.read_text()
    row.write_text(whole[:-200])
    error = CliRunner().invoke(app, ["report", str(tmp_path)]).exception
    assert isinstance(error, PipelineError) and f"'{row}' is half-written: row 1 has " in str(error)
    row.write_text(whole.rstrip())
    with pytest.raises(PipelineError, match="is half-written: its last line does not end"):
        collect(tmp_path)
    pd.testing.assert_frame_equal(run_leaderboard(["intensity"], tiny_dataset, tmp_path), first)
    assert row.read_text() == whole


def test_two_processes_do_not_work_at_one_job(tiny_dataset: Path, tmp_path: Path) -> None:
    job = plan(["intensity"], tiny_dataset, tmp_path)[0]
    note(job, ledger.WAITING)
    with locked(job.folder), pytest.raises(PipelineError, match="is at work there"):
        run_job(job)


def test_status_tells_what_was_stopped_from_what_runs_and_the_time_left(tiny_dataset: Path, tmp_path: Path) -> None:
    jobs = plan(["intensity"], tiny_dataset, tmp_path, range(4))
    run_jobs(jobs, function=stub)
    note(jobs[2], ledger.RUNNING, where="node7")
    note(jobs[3], ledger.WAITING)
    runner = CliRunner()
    assert runner.invoke(app, ["status", str(tmp_path)]).output == "2 done, 1 stopped, 1 waiting\n"
    with locked(tmp_path):
        told = runner.invoke(app, ["status", str(tmp_path)]).output
    assert told == "running: intensity/seed-2, on node7\n2 done, 1 running, 1 waiting; about 2 s left\n"
    error = runner.invoke(app, ["status", str(tmp_path / "nothing")]).exception
    assert isinstance(error, PipelineError) and "no jobs in" in str(error)


def test_a_rerun_asks_for_what_was_asked(tiny_dataset: Path, tmp_path: Path) -> None:
    given = {"beta": 0.5, "precision": "fp32"}
    jobs = [*plan(["vae"], tiny_dataset, tmp_path, [3, 0], "tuned", **given), *plan(["histeq"], tiny_dataset, tmp_path)]
    for job in jobs:
        note(job, ledger.WAITING)
    asked: list[Job] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "lesionless.jobs.run_jobs", lambda jobs, *_, **__: asked.extend(jobs) or run_jobs(jobs, function=stub)
        )
        patch.setattr("lesionless.run.report", lambda *_: None)
        patch.setattr("lesionless.run.origin", lambda *_: "")
        result = CliRunner().invoke(app, ["rerun", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert {job.name: job.digest for job in asked} == {job.name: job.digest for job in jobs}


def test_a_job_takes_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionless.jobs.usable_cores", lambda: 8)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert [threads_of_a_job(n) for n in (1, 3, 20)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_of_a_job(3) == 5


def test_each_job_takes_a_gpu_of_its_own_while_there_are_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    current: list[int] = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", current.append)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda index: (index, 9))
    with one_gpu() as first, one_gpu() as second, one_gpu() as third:
        assert [first, second, third] == [0, 1, 1] == current
    with one_gpu() as again:
        assert again == 0
    assert sorted(path.name.rsplit("-")[-1] for path in tmp_path.iterdir()) == ["4.lock", "6.lock"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with one_gpu() as only:
        assert only is None


def test_executors_that_do_not_exist_are_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="unknown executor 'slurm'"):
        run_jobs(plan(["intensity"], tiny_dataset, tmp_path), executor="slurm")


def test_status_files_hold_no_more_than_what_was_asked_and_became(tiny_dataset: Path, tmp_path: Path) -> None:
    run_jobs(plan(["intensity"], tiny_dataset, tmp_path, beta=0.5), function=stub)
    record = json.loads((tmp_path / "ledger/intensity/seed-0.json").read_text())
    assert record["overrides"] == "beta=0.5" and record["dataset_dir"] == str(tiny_dataset)
