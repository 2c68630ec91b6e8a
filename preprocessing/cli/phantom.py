"""`phantom`: the sample cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from preprocessing.cli.options import AtlasPath, Workers


def phantom(
    out: Annotated[Path, typer.Option(help="folder of the raw data")],
    healthy: Annotated[int, typer.Option(help="healthy subjects")] = 24,
    lesion: Annotated[int, typer.Option(help="subjects with lesions")] = 14,
    seed: Annotated[int, typer.Option(help="seed of all that is drawn")] = 0,
    workers: Workers = 2,
    atlas: AtlasPath = None,
    modality: Annotated[str, typer.Option(help="flair, or ct: Hounsfield units and haemorrhages")] = "flair",
) -> None:
    """Write the sample cohort: SIMULATED raw FLAIR or CT heads with skull, as a BIDS data set."""
    from preprocessing.phantom import write_cohort

    written = write_cohort(out, healthy, lesion, seed, workers, atlas=atlas, modality=modality)
    Console().print(str(written), soft_wrap=True)
