"""`plan`: what `run` would do."""

from __future__ import annotations

import typer

from preprocessing.cli.options import CohortOptions, with_cohort


@with_cohort
def plan(options: CohortOptions) -> None:
    """Say what `run` would do and need, without doing it: one line for each scan, tab-separated."""
    from preprocessing.cohort.plan import plan as make_plan

    planned = make_plan(options.request(options.scans()), options.out)
    typer.echo("\t".join(("scan", "subject", "modality", "status", "brain mask", "why", "image")))
    for scan, why in planned.todo:
        status = "healthy" if scan.healthy else "lesion" if scan.labelled else "unlabelled"
        mask = "given" if scan.brain else "background" if scan.stripped else "computed"
        typer.echo("\t".join((scan.id, scan.subject, scan.modality, status, mask, why, str(scan.image))))
    typer.echo(planned.summary(options.workers))
