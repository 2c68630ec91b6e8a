"""`python -m preprocessing prior`: the tissue prior of SPA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[Path, typer.Option(help="folder of a prepared data set")]
Out = Annotated[Path, typer.Option(help="folder of the prior")]
Default = Annotated[
    bool, typer.Option("--default", help="make it of ICBM152 instead, which is quick: no scan is segmented")
]
ConfigName = Annotated[str, typer.Option("--config", help="name of a configuration, or a YAML file")]
AtlasPath = Annotated[Path | None, typer.Option("--atlas", help="with --default: folder of the data set's atlas")]
Workers = Annotated[int, typer.Option(help="processes")]


def prior(
    dataset: Dataset,
    out: Out,
    default: Default = False,
    config: ConfigName = "base",
    atlas: AtlasPath = None,
    workers: Workers = 2,
) -> None:
    """Where CSF, GM and WM are in the healthy training scans of a prepared data set, for `spa`; rerun to go on."""
    from preprocessing.config import load_config, resolve  # takes seconds to import; `--help` does without
    from preprocessing.prior.icbm152 import default_prior
    from preprocessing.prior.segmented import segmented_prior

    settings = load_config(config, {})
    if default:
        resolved, _ = resolve(settings, atlas)
        default_prior(dataset, out, resolved)
        typer.echo(f"{out / 'prior.json'}: of ICBM152")
        return
    done, test = segmented_prior(dataset, out, settings, workers)
    typer.echo(f"{out / 'prior.json'}: of {len(done.paths)} scans, {done.made} of them segmented now")
    typer.echo(f"{len(test.paths)} healthy test scans segmented beside it, {test.made} of them now")
    if failed := len(done.failures) + len(test.failures):
        typer.echo(f"{failed} scans failed, see above; the same command tries them again")
        raise typer.Exit(1)
