"""A YAML file of a bundle as keys and values."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser, ReferenceResolver

from pipeline.errors import PipelineError

Pairs = dict[str, Any]


def load(file: Path) -> Pairs:
    """The keys and values of a YAML file, nested keys separated by `::`.

    Raises:
        PipelineError: the file is not a mapping of keys to values.
    """
    return copy.deepcopy(_load(file, file.stat().st_mtime_ns))


@functools.cache
def _load(file: Path, changed: int) -> Pairs:
    try:
        pairs = ConfigParser.load_config_file(str(file))
    except Exception as error:  # yaml's own errors have several lines
        raise PipelineError(f"'{file}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(pairs, dict):
        raise PipelineError(f"'{file}' must be a mapping of keys to values, got {type(pairs).__name__}")
    return {ReferenceResolver.normalize_id(key): value for key, value in pairs.items()}
