"""`phantom`: the sample cohort."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from preprocessing.cli.options import AtlasPath, Out


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
