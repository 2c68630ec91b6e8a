"""`run` and `rerun`: raw scans to a prepared data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from preprocessing.cli.options import CohortOptions, Out, Quiet, Verbose, with_cohort
from preprocessing.cohort.request import CohortRequest, load_request
from preprocessing.progress import say


@with_cohort
def run(
    options: CohortOptions,
    executor: Annotated[str, typer.Option(help="processes, or dask://HOST:PORT (docs/CLUSTERS.md)")] = "processes",
    quiet: Quiet = False,
    verbose: Verbose = False,
    reuse: Annotated[Path | None, typer.Option(help="data set whose masks and registrations still fit")] = None,
) -> None:
    """Raw scans → prepared data set; run it again to finish or to retry."""
    say(quiet, verbose)
    scans = options.scans(findings=options.out)
    start(options.request(scans, executor=executor, workers=options.workers, reuse=reuse), options.out)


def rerun(
    out: Out,
    failed: Annotated[bool, typer.Option("--failed", help="only the scans that failed")] = False,
    workers: Annotated[int | None, typer.Option(help="processes; default: as before")] = None,
    executor: Annotated[str | None, typer.Option(help="processes, or dask://HOST:PORT; default: as before")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Go on with what `run` was told for this data set: finish it, and try again what failed."""
    say(quiet, verbose)
    where: dict[str, Any] = {
        key: value for key, value in (("workers", workers), ("executor", executor)) if value is not None
    }
    start(replace(load_request(out), **where), out, failed_only=failed)


def start(request: CohortRequest, out: Path, failed_only: bool = False) -> None:
    """Prepare `request` and say what was done; exit status 1: scans failed, 130: interrupted."""
    from preprocessing.cohort.run import prepare_cohort  # takes seconds to import; `status` and `--help` do without

    again = f"`python -m preprocessing rerun --out {out}`"
    try:
        prepared = prepare_cohort(request, out, failed_only=failed_only)
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
