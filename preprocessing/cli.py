"""`python -m preprocessing plan | run | rerun | status | report | atlas | nyul | prior | phantom`."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from preprocessing import datasets
from preprocessing.batch import Batch, ask, recall, states
from preprocessing.errors import PreprocessingError
from preprocessing.prior_command import prior
from preprocessing.scan import SUFFIXES
from preprocessing.survey import find

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Datasets = Annotated[list[str], typer.Option("--dataset", help=f"{', '.join(datasets.available())}; may be repeated")]
Roots = Annotated[list[Path], typer.Option("--root", help="folder of the raw data (or CSV), one a --dataset")]
Out = Annotated[Path, typer.Option(help="folder of the prepared data set")]
ConfigName = Annotated[str, typer.Option("--config", help="name of a configuration, or a YAML file")]
AtlasPath = Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas; default: the user's cache")]
Modality = Annotated[str | None, typer.Option(help=f"one of {', '.join(SUFFIXES)}; default: the first that is there")]
SplitFile = Annotated[Path | None, typer.Option("--split", help="CSV or TSV with subject and split; default: by seed")]
ImageSize = Annotated[int, typer.Option(help="side of the slices in pixels")]
Slices = Annotated[str, typer.Option(help="central axial slices a scan, or `all` with tissue")]
SliceStep = Annotated[int, typer.Option(help="mm between slices")]
Seed = Annotated[int, typer.Option(help="of the split and of FLAIR-like contrasts")]
FlairLike = Annotated[bool, typer.Option("--flair-like", help="give T1 scans a FLAIR-like contrast")]


@app.command()
def run(
    dataset: Datasets,
    root: Roots,
    out: Out,
    config: ConfigName = "base",
    atlas: AtlasPath = None,
    image_size: ImageSize = 96,
    slices: Slices = "10",
    slice_step: SliceStep = 3,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    executor: Annotated[str, typer.Option(help="processes, or dask://HOST:PORT (docs/CLUSTERS.md)")] = "processes",
    flair_like: FlairLike = False,
    modality: Modality = None,
    split: SplitFile = None,
) -> None:
    """Raw scans → prepared data set; run it again to finish or to retry."""
    options = {"image_size": image_size, "slices": slice_count(slices), "slice_step": slice_step, "seed": seed}
    scans = find(dataset, root, flair_like, modality, split, out)
    start(ask(scans, "+".join(dataset), config, options, atlas, executor=executor, workers=workers), out)


@app.command()
def rerun(
    out: Out,
    failed: Annotated[bool, typer.Option("--failed", help="only the scans that failed")] = False,
    workers: Annotated[int | None, typer.Option(help="processes; default: as before")] = None,
    executor: Annotated[str | None, typer.Option(help="processes, or dask://HOST:PORT; default: as before")] = None,
) -> None:
    """Go on with what `run` was told for this data set: finish it, and try again what failed."""
    where: dict[str, Any] = {
        key: value for key, value in (("workers", workers), ("executor", executor)) if value is not None
    }
    start(replace(recall(out), **where), out, failed_only=failed)


@app.command()
def plan(
    dataset: Datasets,
    root: Roots,
    out: Out,
    config: ConfigName = "base",
    atlas: AtlasPath = None,
    image_size: ImageSize = 96,
    slices: Slices = "10",
    slice_step: SliceStep = 3,
    seed: Seed = 0,
    workers: Annotated[int, typer.Option(help="processes")] = 2,
    flair_like: FlairLike = False,
    modality: Modality = None,
    split: SplitFile = None,
) -> None:
    """Say what `run` would do and need, without doing it: a line a scan, tab-separated."""
    from preprocessing.plan import plan as make_plan

    options = {"image_size": image_size, "slices": slice_count(slices), "slice_step": slice_step, "seed": seed}
    scans = find(dataset, root, flair_like, modality, split)
    planned = make_plan(ask(scans, "+".join(dataset), config, options, atlas), out)
    typer.echo("\t".join(("scan", "subject", "modality", "status", "brain mask", "why", "image")))
    for scan, why in planned.todo:
        status = "healthy" if scan.healthy else "lesion" if scan.labelled else "lesion, unlabelled"
        mask = "given" if scan.brain else "background" if scan.stripped else "computed"
        typer.echo("\t".join((scan.id, scan.subject, scan.modality, status, mask, why, str(scan.image))))
    typer.echo(planned.summary(workers))


@app.command()
def status(out: Out) -> None:
    """What is done, what failed and what waits, from the ledger."""
    counts: Counter[str] = Counter()
    for name, state, reason in states(out):
        counts[state] += 1
        if state == "failed":
            typer.echo(f"{name}: {reason}")
    waiting = f", {counts['waiting']} waiting" if counts["waiting"] else ""
    typer.echo(f"{counts['done']} done, {counts['failed']} failed{waiting}")
    raise typer.Exit(1 if counts["failed"] else 0)


@app.command()
def report(out: Out) -> None:
    """Write OUT/qc.html: every scan with its checks, slices and a 3-D viewer, the worst first."""
    from preprocessing.qc.page import report as write_page

    written = write_page(out)
    typer.echo(f"{written.page}: {written.failed} failed, {written.warned} warned, {written.passed} passed")


@app.command()
def atlas(path: Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas")] = None) -> None:
    """Fetch the SRI-24 atlas into the user's cache, or check the one given."""
    from preprocessing.atlas import ensure_atlas

    Console().print(str(ensure_atlas(path).folder), soft_wrap=True)


@app.command()
def nyul(
    dataset: Annotated[Path, typer.Option(help="folder of a prepared data set")],
    out: Annotated[Path, typer.Option(help="the standard histogram, a .npy file for `standard` of NyulNormalized")],
) -> None:
    """Take Nyúl's standard histogram from the healthy training scans of a prepared data set."""
    from preprocessing.nyul import fit_standard, training_images

    images = training_images(dataset)
    fit_standard(images, out)
    Console().print(f"{out}: standard histogram of {len(images)} scans", soft_wrap=True)


app.command()(prior)


@app.command()
def phantom(
    out: Out,
    healthy: Annotated[int, typer.Option(help="healthy subjects")] = 24,
    lesion: Annotated[int, typer.Option(help="subjects with lesions")] = 14,
    seed: int = 0,
    workers: int = 2,
    atlas: AtlasPath = None,
    modality: Annotated[str, typer.Option(help="flair, or ct: Hounsfield units and haemorrhages")] = "flair",
) -> None:
    """Write the sample cohort: SIMULATED raw FLAIR or CT heads with skull, as a BIDS data set."""
    from preprocessing.phantom import write_cohort

    written = write_cohort(out, healthy, lesion, seed, workers, atlas=atlas, modality=modality)
    Console().print(str(written), soft_wrap=True)


def slice_count(text: str) -> int | str:
    """The number of slices, or a word that the configuration knows."""
    return int(text) if text.lstrip("-").isdigit() else text


def start(batch: Batch, out: Path, failed_only: bool = False) -> None:
    """Prepare `batch` and say what was done; exit status 1: scans failed, 130: interrupted."""
    from preprocessing.run import prepare_batch  # takes seconds to import; `status` and `--help` do without

    again = f"`python -m preprocessing rerun --out {out}`"
    try:
        prepared = prepare_batch(batch, out, failed_only=failed_only)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; what is done stays, {again} goes on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{prepared.manifest}: {prepared.ran} scans ran, {prepared.skipped} were up to date")
    if prepared.left_out:
        typer.echo(f"{prepared.left_out} scans left out for too small lesions, see left_out there")
    if prepared.waiting:
        typer.echo(f"{prepared.waiting} scans wait, {again} runs them")
    if prepared.failures:
        typer.echo(f"{len(prepared.failures)} scans failed, see {out / 'failures.tsv'}; {again[:-1]} --failed` retries")
        raise typer.Exit(1)


def main() -> None:
    """The command; a user's mistake is one line on stderr and exit status 2."""
    try:
        app()
    except (PreprocessingError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
