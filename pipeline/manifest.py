"""What `dataset.json` has to say before its data set is believed, and the arrays that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.documents import check_kinds
from pipeline.errors import PipelineError

FORMAT = ("lesionless-dataset", 1)
LARGEST = 4096  # pixels, the side of a slice
_SPLIT = {"image": str, "brain": str, "lesion": str, "lesion_share?": str}
_STATE = {"split": str, "healthy": bool, "labelled": bool}
_ITEM = {"id": str, "subject": str, **_STATE, "rows?": [int, int], "z?": 3 * [int]}
_NAMES = {"name": str, "simulated": bool, "modality": str, "hash": str, "space": str, "slices": object}
_GRID = {"image_size": int, "spacing_mm": 3 * [float], "affine": 4 * [4 * [float]], "z?": 3 * [int]}
_KINDS = {**_NAMES, **_GRID, "splits": {str: _SPLIT}, "items": [_ITEM]}


def check_manifest(manifest: Any, path: Path) -> None:
    """Refuse a manifest that does not say what is needed, or that names an array outside its folder.

    Args:
        manifest: content of the file `path`.

    Raises:
        PipelineError: another format or version, a value of another kind, or such a path.
    """
    found = (manifest.get("format"), manifest.get("version")) if isinstance(manifest, dict) else (None, None)
    if found != FORMAT:
        raise PipelineError(f"{path} has format and version {found}; this release reads {FORMAT}")
    check_kinds(manifest, _KINDS, str(path))
    if not 1 <= manifest["image_size"] <= LARGEST or min(manifest["spacing_mm"]) <= 0:
        raise PipelineError(f"{path}: image_size and spacing_mm must be above 0, image_size at most {LARGEST}")
    grids = [part["z"] for part in (manifest, *manifest["items"]) if "z" in part]
    if any(step < 1 for _, _, step in grids):
        raise PipelineError(f"{path}: the step of z, its third number, must be above 0")
    root = path.parent.resolve()
    for name, split in manifest["splits"].items():
        for key in (key.removesuffix("?") for key in _SPLIT):
            if key in split and not (root / split[key]).resolve().is_relative_to(root):
                raise PipelineError(f"{path}: array '{key}' of split '{name}' lies outside the dataset: {split[key]}")


def open_array(path: Path, shape: tuple[int, ...]) -> NDArray:
    """An `.npy` of numbers of this shape, memory-mapped: it takes no memory.

    Raises:
        PipelineError: not there, damaged, or of another kind or shape.
    """
    try:
        array: NDArray = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy has many kinds
        raise PipelineError(f"{path}: missing or damaged; prepare the data set again") from error
    if not isinstance(array, np.memmap) or array.dtype.kind not in "biuf" or array.shape != shape:
        found = f"shape {array.shape} of {array.dtype}" if isinstance(array, np.memmap) else "an archive"
        raise PipelineError(f"{path}: {found}; its dataset.json asks for {shape} of numbers")
    return array


def count_rows(items: list[dict[str, Any]], where: str) -> int:
    """Rows of a split, by its items in their order.

    Args:
        where: they stand, for the message.

    Raises:
        PipelineError: an item without rows, or whose rows do not follow those before.
    """
    stop = 0
    for item in items:
        rows = item.get("rows", [])
        if len(rows) != 2 or rows[0] != stop or rows[1] <= stop:
            raise PipelineError(f"{where}: the rows of '{item['id']}' are {rows}; they must go on from {stop}")
        stop = rows[1]
    return stop


def first_row(item: Mapping[str, Any]) -> int:
    """Where the rows of an item begin, −1 where it has none."""
    return int(item["rows"][0]) if "rows" in item else -1
