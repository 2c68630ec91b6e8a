"""A job: a method with a seed, trained, calibrated and evaluated. What is done is not done again."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from pipeline import ledger
from pipeline.data import load_manifest
from pipeline.errors import PipelineError, in_a_line, root_of
from pipeline.files import is_whole, write_json
from pipeline.gpus import one_gpu
from pipeline.ledger import Record
from pipeline.lock import locked
from pipeline.maker import check_maker, made_by
from pipeline.preflight import check_run
from pipeline.recipe import overrides_text
from pipeline.run_state import RECIPE, Values, made_of, stages_done, write_stages
from pipeline.workflow import MethodWorkflow

STAGES = ("train", "calibrate", "evaluate")
TOLD = 1.0  # s; a shorter stage has no line of its own in the log

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A method with a seed.

    Args:
        method: as asked for, a name or the path of a `method.yaml`. seed: of the run.
        settings: what all jobs of one command share: `dataset_dir`, `runs_dir`, `presets` and overrides.
        folder: RUNS/METHOD/seed-N.
        digest: of what decides the numbers.
        dataset_hash: of the prepared data set.
        release: versions of the packages that planned it.
        code: digest of the source that planned it, see `source_digest`.
    """

    method: str
    seed: int
    settings: dict[str, Any]
    folder: Path
    digest: str
    dataset_hash: str
    release: str
    code: str

    @property
    def name(self) -> str:
        """`METHOD/seed-N`."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def run(self) -> dict[str, Any]:
        """Arguments of `MethodWorkflow`."""
        return {"method": self.method, **self.settings, "seed": self.seed}

    def asked(self) -> Record:
        """What the status file keeps, so that the job can be planned again."""
        paths = {key: str(self.settings[key]) for key in ("dataset_dir", "presets")}
        own = {key: value for key, value in self.settings.items() if key not in (*paths, "runs_dir")}
        return {"method": self.method, "seed": self.seed, **paths, "overrides": overrides_text(own)}


def plan(
    methods: Sequence[str],
    dataset_dir: str | Path,
    runs_dir: str | Path,
    seeds: Sequence[int] = (0,),
    presets: str = "",
    **override: Any,
) -> list[Job]:
    """All methods × seeds as jobs, each of which may run; seeds of a method share one reading of its configuration.

    Raises:
        PipelineError: any of the jobs will be refused: its configuration, its data, another run or one of another
            release or of other code in its folder.
    """
    where = {"dataset_dir": str(Path(dataset_dir).absolute()), "runs_dir": str(Path(runs_dir).absolute())}
    settings = {"presets": presets, **where, **override}
    return [job for method in methods for job in _of_method(method, seeds, settings)]


def _of_method(method: str, seeds: Sequence[int], settings: dict[str, Any]) -> list[Job]:
    parser = MethodWorkflow(method=method, **settings, seed=seeds[0]).parser
    dataset_hash = load_manifest(settings["dataset_dir"])["hash"]
    values, root = made_of(parser, dataset_hash), Path(parser.get_parsed_content("output_dir")).parent
    shared = {"settings": settings, "dataset_hash": dataset_hash, **made_by()}
    jobs = [
        Job(method, seed, folder=root / f"seed-{seed}", digest=digest, **shared)
        for seed, digest in zip(seeds, _digests(values, seeds), strict=True)
    ]
    missing: set[str] = set()
    for job in jobs:
        missing |= set(_missing(job, {**values, "seed": job.seed}))
    check_run(parser, [stage for stage in STAGES if stage in missing])
    return jobs


def _digests(values: Values, seeds: Sequence[int]) -> list[str]:
    of_method = _sha256({key: value for key, value in values.items() if key != "seed"})
    return [_sha256([of_method, seed]) for seed in seeds]


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _missing(job: Job, values: Values) -> Iterable[str]:
    """Stages that are still to be run."""
    record = ledger.read(job.folder)
    check_maker(job.folder, record)
    if ledger.why(record, job.digest, job.folder) is None:
        return ()
    done = _complete(job.folder, values)
    return [stage for stage in STAGES if stage not in done]


def _complete(folder: Path, values: Values) -> list[str]:
    """Stages that are complete; an evaluation whose row is gone or half-written is not."""
    done = stages_done(folder, values)
    return done if is_whole(folder / "metrics.csv") else [stage for stage in done if stage != "evaluate"]


def run_job(job: Job) -> None:
    """Train, calibrate and evaluate; stages that are complete are not run again.

    Raises:
        PipelineError: this machine has another release or other code, or does not see the data or the results;
            another process is at this job; whatever the stages refuse.
    """
    _check_place(job)
    with locked(job.folder), one_gpu():
        _run_stages(job)


def _check_place(job: Job) -> None:
    """Refuse a worker that would compute something else, or write where nobody looks."""
    here, dataset = platform.node(), Path(job.settings["dataset_dir"])
    own = made_by()
    if job.release != own["release"]:
        raise PipelineError(f"the job is of {job.release}, the worker on {here} has {own['release']}: install the same")
    if job.code != own["code"]:
        raise PipelineError(
            f"the job is of the code {job.code}, the worker on {here} has {own['code']} of the same release: "
            "install the same files there, and start the worker again"
        )
    if not dataset.is_dir():
        raise PipelineError(f"the worker on {here} does not see the data set '{dataset}': it needs the same path there")
    found = load_manifest(dataset)["hash"]
    if found != job.dataset_hash:
        raise PipelineError(
            f"the worker on {here} sees another data set in '{dataset}': hash {found[:12]}, not {job.dataset_hash[:12]}"
        )
    if not ledger.status_file(job.folder).is_file():
        raise PipelineError(f"the worker on {here} does not see the results '{job.settings['runs_dir']}'")


def _run_stages(job: Job) -> None:
    parser = MethodWorkflow(**job.run).parser
    now = made_of(parser, job.dataset_hash)
    if _digests(now, [job.seed]) != [job.digest]:
        raise PipelineError(
            f"{job.name}: the settings on {platform.node()} are not those of the job, whose method or preset file "
            "says something else; give both the same files, and run again"
        )
    done = _complete(job.folder, now)
    for stage in STAGES:
        if stage in done:
            continue
        workflow = MethodWorkflow(**job.run, stage=stage)
        workflow.initialize()
        write_stages(job.folder, now, done)
        write_json(job.folder / RECIPE, recipe(workflow.parser))
        began = time.monotonic()
        workflow.run()
        seconds = time.monotonic() - began
        level = logging.INFO if seconds >= TOLD else logging.DEBUG
        log.log(level, "%s, seed %d: %s took %.1f s", job.method, job.seed, stage, seconds)
        done = [*done, stage]
        write_stages(job.folder, now, done)


def recipe(parser: ConfigParser) -> dict[str, Any]:
    """What made a run: its configuration as resolved, and the data set; `lesionless pack` reads it."""
    config: Any = parser.config
    resolved = {name: value for name, value in config.items() if name != "_meta_"}
    dataset = Path(config["dataset_dir"])
    return {
        "dataset_dir": str(dataset.absolute()),
        "dataset_hash": load_manifest(dataset)["hash"],
        **made_by(),
        "config": json.loads(json.dumps(resolved, default=str)),
    }


def note(job: Job, state: str, **more: Any) -> Record:
    """Write the status file of a job; what it says now."""
    made = {"digest": job.digest, "release": job.release, "code": job.code}
    record = {**job.asked(), "state": state, **made, **more}
    ledger.write(job.folder, record)
    return record


def work(job: Job) -> Record:
    """Run a job, and write down what becomes of it before anything is raised."""
    note(job, ledger.RUNNING, where=platform.node())
    began = time.monotonic()
    try:
        run_job(job)
    except Exception as error:
        note(job, ledger.FAILED, seconds=_since(began), **_told(error))
        raise
    return note(job, ledger.DONE, seconds=_since(began), outputs=ledger.outputs(job.folder))


def attempt(job: Job) -> Record:
    """Run a job and say what became of it: a method that fails is no reason for the others to stop."""
    try:
        _check_place(job)  # nothing is written from elsewhere
        return work(job)
    except Exception as error:  # whatever a method may raise
        return {**job.asked(), "state": ledger.FAILED, **_told(error)}


def _told(error: Exception) -> dict[str, str]:
    """The reason in one line, and where it is not the user's mistake, how it came about."""
    if isinstance(error, PipelineError):
        return {"reason": str(error)}
    return {"reason": in_a_line(root_of(error)), "traceback": "".join(traceback.format_exception(error))}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)
