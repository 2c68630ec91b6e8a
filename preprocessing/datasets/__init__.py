"""One module a data set: `find_scans(root)` knows its file names and labels, nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from preprocessing.errors import PreprocessingError
from preprocessing.scan import Scan

__all__ = ["Scan", "available", "find_scans"]


def available() -> list[str]:
    """The names of the data sets."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_scans(name: str, root: Path) -> list[Scan]:
    """The scans of the data set `name` below `root`, by id.

    Raises:
        PreprocessingError: unknown data set, no such folder, no scan, or what the adapter refuses.
    """
    if name not in available():
        raise PreprocessingError(f"unknown data set {name!r}; available: {', '.join(available())}")
    if not root.exists():
        raise PreprocessingError(f"{root}: no such folder")
    scans = importlib.import_module(f"{__name__}.{name}").find_scans(root)
    if not scans:
        raise PreprocessingError(f"{root}: no scan of the data set {name!r} found")
    return sorted(scans, key=lambda scan: scan.id)
