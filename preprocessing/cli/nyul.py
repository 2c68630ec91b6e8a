"""`nyul`: the standard histogram of a cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def nyul(
    dataset: Annotated[Path, typer.Option(help="folder of a prepared data set")],
    out: Annotated[Path, typer.Option(help="the standard histogram, a .npy file for `standard` of NyulNormalized")],
) -> None:
    """Take Nyúl's standard histogram from the healthy training scans of a prepared data set."""
    from preprocessing.intensity.nyul import fit_standard

    images = training_images(dataset)
    fit_standard(images, out)
    Console().print(f"{out}: standard histogram of {len(images)} scans", soft_wrap=True)


def training_images(dataset: Path) -> list[Path]:
    """The images of the healthy training scans of a prepared data set.

    Raises:
        PreprocessingError: no manifest.
    """
    from preprocessing.dataset.manifest import healthy_items, read_manifest

    return [dataset / item["image"] for item in healthy_items(read_manifest(dataset))]
