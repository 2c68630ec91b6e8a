"""`slices`: a folder of two-dimensional images and masks to a prepared data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from preprocessing.cli.options import ImageSize, Out
from preprocessing.errors import PreprocessingError
from preprocessing.slices.layouts import LAYOUTS, own_layout

Layouts = Annotated[str, typer.Option(help=f"{', '.join(LAYOUTS)}, or `own` with --image and --lesion")]


def slices(
    root: Annotated[Path, typer.Option(help="folder of the images")],
    out: Out,
    layout: Layouts,
    image: Annotated[
        str, typer.Option(help="with `own`: regular expression of image paths: (?P<patient>…), (?P<slice>\\d+)")
    ] = "",
    lesion: Annotated[str, typer.Option(help="with `own`: path of a mask, with {patient} and {slice}")] = "",
    channel: Annotated[int, typer.Option(help="with `own`: channel of coloured images, from 0")] = 0,
    image_size: ImageSize = 96,
    pixel_mm: Annotated[float, typer.Option(help="size of a pixel of the files in mm")] = 1.0,
    seed: Annotated[int, typer.Option(help="seed of the split, where no folder states one")] = 0,
) -> None:
    """Images and masks as they are distributed → prepared data set, without registration (space: none)."""
    from preprocessing.slices import prepare_slices

    if layout not in (*LAYOUTS, "own"):
        raise PreprocessingError(f"unknown layout {layout!r}; available: {', '.join(LAYOUTS)}, own")
    chosen = LAYOUTS.get(layout) or own_layout(image, lesion, channel)
    typer.echo(f"{prepare_slices(root, out, layout, chosen, image_size, pixel_mm, seed)}: space none, not registered")
