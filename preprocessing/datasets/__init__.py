"""One module a data set: `find_scans(root)` knows its file names and labels, nothing else.

A module also states `OTHER`: glob patterns of the files that belong to the data set but that no scan reads. Whatever
is neither read nor among them is listed as unknown by `preprocessing.cohort.survey`. It may have
`findings(root, scans)`: what else a person should know of, as (what, where). Published data sets have a `URL`, and a
`LICENSE` where one is stated.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from preprocessing.errors import PreprocessingError
from preprocessing.scan import SUFFIXES, Scan

__all__ = ["Scan", "adapter", "available", "choose", "find_all", "find_scans", "provenance"]


def available() -> list[str]:
    """The names of the data sets."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def adapter(name: str) -> ModuleType:
    """The module of the data set `name`.

    Raises:
        PreprocessingError: unknown data set.
    """
    if name not in available():
        raise PreprocessingError(f"unknown data set {name!r}; available: {', '.join(available())}")
    return importlib.import_module(f"{__name__}.{name}")


def provenance(names: Sequence[str]) -> dict[str, Any]:
    """What `dataset_description.json` says of its sources: where they are, and the licence of a single one."""
    modules = [adapter(name) for name in names if name in available()]
    urls = [module.URL for module in modules if hasattr(module, "URL")]
    content: dict[str, Any] = {"SourceDatasets": [{"URL": url} for url in urls]} if urls else {}
    if len(names) == 1 and urls:
        content["DatasetLinks"] = {"raw": urls[0]}
        if hasattr(modules[0], "LICENSE"):
            content["License"] = modules[0].LICENSE
    return content


def find_scans(name: str, root: Path, modality: str | None = None) -> list[Scan]:
    """The scans of the data set `name` below `root`, by id, in one modality.

    Raises:
        PreprocessingError: see `find_all` and `choose`.
    """
    return choose(find_all(name, root), root, modality)


def find_all(name: str, root: Path, archives: Sequence[Path] = ()) -> list[Scan]:
    """The scans of the data set `name` below `root` in all modalities, by id.

    Args:
        name: of the data set.
        root: its folder, or the table of own data.
        archives: folders to which the paths of a table may lead; data sets without a table have none.

    Raises:
        PreprocessingError: unknown data set, no such folder, no scan, or what the adapter refuses.
    """
    module = adapter(name)
    if not root.exists():
        raise PreprocessingError(f"{root}: no such folder")
    if archives and "archives" not in inspect.signature(module.find_scans).parameters:
        raise PreprocessingError(f"--archive is for the paths in a table, and the data set {name!r} has no table")
    found: list[Scan] = module.find_scans(root, archives) if archives else module.find_scans(root)
    if not found:
        raise PreprocessingError(f"{root}: no scan of the data set {name!r} found")
    return sorted(found, key=lambda scan: scan.id)


def choose(found: list[Scan], root: Path, modality: str | None) -> list[Scan]:
    """The scans of one modality.

    None: where a scan id has several modalities, the first of FLAIR, T1, T2, CT that the data set has; else all scans.

    Raises:
        PreprocessingError: `root`, where they were found, has no scan of the modality.
    """
    there = [name for name in SUFFIXES if any(scan.modality == name for scan in found)]
    if modality is None:
        if len({scan.id for scan in found}) == len({(scan.id, scan.modality) for scan in found}):
            return found
        modality = there[0]
    if modality not in there:
        raise PreprocessingError(f"{root}: no {modality} scan found; available: {', '.join(there)}")
    return [scan for scan in found if scan.modality == modality]
