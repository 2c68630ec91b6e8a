"""Options that several verbs share, each in one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import PipelineError

DEMO_METHODS = "intensity,histeq,histeq_smooth,normative_z,untrained_amcons,amcons,vae,painted_lesions"
PREDICTOR = "painted_lesions"
Out = Annotated[Path, typer.Option(help="Folder that everything is written to.")]
Methods = Annotated[str, typer.Option(help="Methods, separated by commas; `lesionless methods` lists them.")]
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas.")]
Epochs = Annotated[int, typer.Option(help="Epochs of training; the paper's value is 300.")]
OwnEpochs = Annotated[
    int | None, typer.Option(help="Epochs of training; default: those of the method, mostly the paper's 300.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A key of the configuration, e.g. beta=0.1; may be given again."),
]
Presets = Annotated[
    str,
    typer.Option(
        "--presets",
        "--mixins",
        help="Changes of the recipe, separated by commas: names in bundles/base/presets, or paths.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but results and warnings.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Also write a line for every scan.")]
LABEL_RULES = "0/1, positive, or label values such as 1,4"


def names(methods: str) -> list[str]:
    """`amcons,vae` as names.

    Raises:
        PipelineError: one of them comes twice.
    """
    found = methods.split(",")
    _check_once("--methods", found)
    return found


def numbers(seeds: str) -> list[int]:
    """`0,1,2` as numbers.

    Raises:
        PipelineError: one of them is no whole number, or comes twice.
    """
    for seed in seeds.split(","):
        if not seed.strip().isdigit():
            raise PipelineError(f"--seeds are whole numbers separated by commas, got '{seed}'")
    found = [int(seed) for seed in seeds.split(",")]
    _check_once("--seeds", found)
    return found


def _check_once(option: str, values: Sequence[object]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise PipelineError(f"{option} names '{value}' {count} times; once is enough")
