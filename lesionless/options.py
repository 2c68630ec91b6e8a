"""Options that several verbs share, each in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError

DEMO_METHODS = "intensity,histeq,histeq_smooth,normative_z,untrained_amcons,amcons,vae,painted_lesions"
Out = Annotated[Path, typer.Option(help="Folder that everything is written to.")]
Methods = Annotated[str, typer.Option(help="Methods, separated by commas; `lesionless methods` lists them.")]
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training; the paper's value is 300.")]
OwnEpochs = Annotated[
    int | None, typer.Option(help="Epochs of training; unless given those of the method, the paper's 300.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A key of the configuration, e.g. beta=0.1; may be given again."),
]
Presets = Annotated[
    str, typer.Option("--presets", "--mixins", help="Presets of bundles/base/presets, or paths, separated by commas.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but results and warnings.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="In a log, a line for every scan.")]
LABEL_RULES = "0/1, positive, or label values such as 1,4"


def numbers(seeds: str) -> list[int]:
    """`0,1,2` as numbers.

    Raises:
        PipelineError: one of them is no whole number.
    """
    for seed in seeds.split(","):
        if not seed.strip().isdigit():
            raise PipelineError(f"--seeds are whole numbers separated by commas, got '{seed}'")
    return [int(seed) for seed in seeds.split(",")]
