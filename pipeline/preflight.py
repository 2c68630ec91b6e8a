"""What can be refused before a run begins: data that a stage will want, and objects that cannot be made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from monai.bundle import ConfigParser

from pipeline.data import SliceDataset
from pipeline.errors import PipelineError, in_a_line, root_of, unwrapped
from pipeline.references import references, strings

TRAINED = "trained_network"
SPLIT = re.compile(r"split=(?:'(\w+)'|@(\w+))")
WITHOUT = {"validation": "; without labelled validation scans: --presets normals_only"}


def check_run(parser: ConfigParser, stages: Sequence[str]) -> None:
    """Ask for everything that the stages will ask for, and make what they are made of, but for trained weights.

    Args:
        parser: the configuration of a run; it is as before when this returns.
        stages: those that are still to be run.

    Raises:
        PipelineError: a split that the data set does not have, or that is not labelled; whatever an object refuses.
    """
    for stage in stages:
        for split in _splits(parser, stage):
            try:
                SliceDataset(parser["dataset_dir"], split)
            except PipelineError as error:
                hint = WITHOUT.get(split, "")
                raise PipelineError(
                    f"{parser['method']}: the stage {stage} needs the split '{split}': {error}{hint}"
                ) from error
    _make(parser, stages)


def _splits(parser: ConfigParser, stage: str) -> Iterator[str]:
    for text in strings(parser[f"run_{stage}"]):
        for plain, noun in SPLIT.findall(text):
            yield plain or str(parser.get_parsed_content(noun))


def _make(parser: ConfigParser, stages: Sequence[str]) -> None:
    """Make the objects that the stages name, in a folder that is thrown away (trainers make theirs)."""
    runs: Any = parser["runs_dir"]
    with TemporaryDirectory() as scratch:
        parser["runs_dir"] = scratch
        try:
            for stage in stages:
                for key in references(parser[f"run_{stage}"]):
                    if _needs_training(parser, key):
                        continue
                    _make_one(parser, key)
        finally:
            parser["runs_dir"] = runs  # which also forgets what was made


def _make_one(parser: ConfigParser, key: str) -> None:
    """MONAI wraps what an object refuses in an error for each object around it; the innermost is the cause."""
    try:
        with unwrapped():
            parser.get_parsed_content(key)
    except RuntimeError as error:
        what = in_a_line(root_of(error))
        raise PipelineError(f"{parser['method']}: '{key}' cannot be made: {what}") from error


def _needs_training(parser: ConfigParser, key: str) -> bool:
    return key == TRAINED or any(_needs_training(parser, other) for other in references([parser[key]]) if other != key)
