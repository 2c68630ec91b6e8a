"""The options that several verbs share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from preprocessing import datasets
from preprocessing.cohort.request import CohortRequest, cohort_request
from preprocessing.cohort.survey import find
from preprocessing.scan import SUFFIXES, Scan

Out = Annotated[Path, typer.Option(help="folder of the prepared data set")]
Datasets = Annotated[list[str], typer.Option("--dataset", help=f"{', '.join(datasets.available())}; may be repeated")]
Roots = Annotated[list[Path], typer.Option("--root", help="folder of the raw data (or CSV), one for each --dataset")]
ConfigName = Annotated[str, typer.Option("--config", help="name of a configuration, or a YAML file")]
AtlasPath = Annotated[Path | None, typer.Option("--atlas", help="folder of the atlas; default: the user's cache")]
Modality = Annotated[str | None, typer.Option(help=f"one of {', '.join(SUFFIXES)}; default: the first that is there")]
SplitFile = Annotated[Path | None, typer.Option("--split", help="CSV or TSV with subject and split; default: by seed")]
ImageSize = Annotated[int, typer.Option(help="side of the slices in pixels")]
Slices = Annotated[str, typer.Option(help="central axial slices of a scan, or `all` with tissue")]
SliceStep = Annotated[int, typer.Option(help="mm between slices")]
Seed = Annotated[int, typer.Option(help="seed of the split and of FLAIR-like contrasts")]
Archives = Annotated[
    list[Path] | None,
    typer.Option("--archive", help="folder to which absolute paths and links of a table may lead; may be repeated"),
]
FlairLike = Annotated[bool, typer.Option("--flair-like", help="give T1 scans a FLAIR-like contrast")]
Quiet = Annotated[bool, typer.Option("--quiet", help="say nothing but the result and failures")]
Verbose = Annotated[bool, typer.Option("--verbose", help="also write a line for every scan")]
Workers = Annotated[int, typer.Option(help="processes")]


@dataclass(frozen=True)
class CohortOptions:
    """Which raw scans are prepared and how: what `run` and `plan` are told."""

    dataset: Datasets
    root: Roots
    out: Out
    config: ConfigName = "base"
    atlas: AtlasPath = None
    image_size: ImageSize = 96
    slices: Slices = "10"
    slice_step: SliceStep = 3
    seed: Seed = 0
    workers: Workers = 2
    flair_like: FlairLike = False
    modality: Modality = None
    split: SplitFile = None
    archive: Archives = None

    def scans(self, findings: Path | None = None) -> list[Scan]:
        """The scans; what is missing or unknown is said, and written below the folder `findings`."""
        return find(self.dataset, self.root, self.flair_like, self.modality, self.split, findings, self.archive or ())

    def request(self, scans: list[Scan], **where: Any) -> CohortRequest:
        """The request to prepare `scans`; `where` is its `executor` and `workers`."""
        options = {
            "image_size": self.image_size,
            "slices": slice_count(self.slices),
            "slice_step": self.slice_step,
            "seed": self.seed,
        }
        return cohort_request(scans, "+".join(self.dataset), self.config, options, self.atlas, **where)


def with_cohort(verb: Callable[..., None]) -> Callable[..., None]:
    """The command of `verb(options, …)`: it takes the options of a cohort, and then those of its own."""
    shared = inspect.signature(CohortOptions, eval_str=True).parameters.values()
    own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]

    @wraps(verb)
    def command(**values: Any) -> None:
        options = CohortOptions(**{option.name: values.pop(option.name) for option in shared})
        verb(options, **values)

    options = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in (*shared, *own)]
    vars(command).update(__signature__=inspect.Signature(options))
    command.__annotations__ = {option.name: option.annotation for option in options}
    return command


def slice_count(text: str) -> int | str:
    """The number of slices, or a word that the configuration knows."""
    return int(text) if text.lstrip("-").isdigit() else text
