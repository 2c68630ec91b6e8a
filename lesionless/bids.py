"""`lesionless bids BIDS_DIR OUT LEVEL`: the arguments of a BIDS App (Gorgolewski et al. 2017)."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Level(str, Enum):
    """`participant`: each scan; `group`: tables and page of all scans that are done."""

    participant = "participant"
    group = "group"


def bids(
    bids_dir: Annotated[Path, typer.Argument(help="Raw BIDS dataset.")],
    out: Annotated[Path, typer.Argument(help="Folder that everything is written to.")],
    level: Annotated[Level, typer.Argument(help="participant, or group.")],
    model: Annotated[Path, typer.Option(help="Model of `lesionless pack`, or a run.")],
    participant_label: Annotated[
        list[str] | None, typer.Option("--participant-label", "--participant_label", help="With or without `sub-`.")
    ] = None,
    session_label: Annotated[
        list[str] | None, typer.Option("--session-label", "--session_label", help="With or without `ses-`.")
    ] = None,
    n_cpus: Annotated[int, typer.Option("--n-cpus", "--n_cpus", "--nprocs", help="Processes.")] = 1,
    threshold: Annotated[str | None, typer.Option(help="Threshold of the mask, by its rule.")] = None,
    cell: Annotated[str | None, typer.Option(help="Cell of a model that was calibrated by groups.")] = None,
    atlas: Annotated[Path | None, typer.Option(help="SRI-24 folder, for a machine without network.")] = None,
    skip_bids_validator: Annotated[
        bool, typer.Option("--skip-bids-validator", "--skip_bids_validator", help="Taken and not needed.")
    ] = False,
    version: Annotated[bool, typer.Option("-v", "--version", help="Print the version.", is_eager=True, callback=None)] = False,
) -> None:
    """A BIDS App: predict the scans of a BIDS dataset."""
    from lesionless.prediction.cohort import predict_cohort, write_group
    from lesionless.prediction.packing import as_model
    from lesionless.prediction.sources import bids_sources
    from lesionless.prediction.task import PREPARED, Order, opened
