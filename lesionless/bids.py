"""`lesionless bids BIDS_DIR OUT LEVEL`: the arguments of a BIDS App (Gorgolewski et al. 2017)."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from lesionless.words import counted

Labels = list[str] | None
_SEVERAL = ("--participant-label", "--participant_label", "--session-label", "--session_label")


class SeveralValues(TyperCommand):
    """A command whose labels may follow their option one after the other, as BIDS Apps take them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeated(args))


def repeated(words: list[str]) -> list[str]:
    """`--participant-label 01 02` as `--participant-label 01 --participant-label 02`.

    >>> repeated(["in", "out", "participant", "--participant_label", "01", "02", "-v"])
    ['in', 'out', 'participant', '--participant_label', '01', '--participant_label', '02', '-v']
    """
    found: list[str] = []
    option, values = "", 0
    for word in words:
        if word.startswith("-"):
            option, values = (word if word in _SEVERAL else ""), 0
        elif option:
            values += 1
            found += [option] if values > 1 else []
        found.append(word)
    return found


class Level(str, Enum):
    """`participant`: each scan. `group`: tables and page of all scans that are done."""

    participant = "participant"
    group = "group"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("lesionless"))
        raise typer.Exit()


def bids(
    bids_dir: Annotated[Path, typer.Argument(help="Raw BIDS dataset.")],
    out: Annotated[Path, typer.Argument(help="Folder that everything is written to.")],
    level: Annotated[Level, typer.Argument(help="Each scan, or tables and page of all scans that are done.")],
    model: Annotated[Path, typer.Option(help="Model of `lesionless pack`, or a run: RUNS/METHOD/seed-N.")],
    participants: Annotated[
        Labels,
        typer.Option(
            "--participant-label", "--participant_label", help="Participants, with or without `sub-`; default: all."
        ),
    ] = None,
    sessions: Annotated[
        Labels,
        typer.Option("--session-label", "--session_label", help="Sessions, with or without `ses-`; default: all."),
    ] = None,
    processes: Annotated[int, typer.Option("--n-cpus", "--n_cpus", help="Processes.")] = 1,
    threshold: Annotated[
        str | None,
        typer.Option(help="Rule of the mask's threshold, such as val_op or p95; default: that of the model."),
    ] = None,
    cell: Annotated[
        str | None, typer.Option(help="Group (cell) of a model that was calibrated by groups, such as a scanner.")
    ] = None,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
    skip: Annotated[
        bool,
        typer.Option(
            "--skip-bids-validator",
            "--skip_bids_validator",
            help="Accepted, as BIDS Apps have it; nothing is validated.",
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("-v", "--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Predict a BIDS dataset, with the arguments that BIDS Apps share."""
    from lesionless.predict import tell
    from lesionless.prediction.cohort import done_before, predict_scans, write_group
    from lesionless.prediction.order import PREPARED, Order, opened
    from lesionless.prediction.packing import as_model
    from lesionless.prediction.sources import bids_sources

    folder = as_model(model, atlas)
    known = opened(folder, atlas).model
    if level is Level.group:
        done = write_group(out, done_before(out, known), known)
        typer.echo(f"{done.out / 'cohort.tsv'}: {counted(len(done.records), 'scan')}, {done.failed} failed")
        return
    sources = bids_sources(bids_dir, known.facts["modality"], participants or (), sessions or ())
    order = Order(folder, atlas, out, out / PREPARED, threshold, cell)
    tell(predict_scans(sources, order, 0 if processes == 1 else processes, "processes"))
