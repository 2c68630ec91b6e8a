"""The steps of one scan, in order; results of costly steps are kept, so that a change costs only the steps after it.

The file `steps/<scan id>_<class of the step>.npz` holds the last result under the SHA-256 of what decides it: the
content of the scan's files, this step and those before it, the atlas and package versions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from preprocessing.cohort.scan_request import ScanRequest
from preprocessing.config import build
from preprocessing.io.files import sha256_json, write_bytes

FOLDER = "steps"
Data = dict[Hashable, Any]


@runtime_checkable
class CostlyStep(Protocol):
    """A step `apply(data, measure(data))` whose costly part, `measure`, has a small result."""

    def measure(self, data: Mapping[Hashable, Any]) -> dict[str, Any]:
        """Arrays, and `checks` of numbers."""
        ...

    def apply(self, data: Mapping[Hashable, Any], found: Mapping[str, Any]) -> Data:
        """The data after the step, from what `measure` found now or before."""
        ...


def run_steps(request: ScanRequest, content: str) -> Data:
    """What the steps of the configuration make of a scan.

    Args:
        request: with the digests of the steps.
        content: SHA-256 of the files of the scan.
    """
    transforms: Any = build(request.config, "steps")
    data: Data = {"scan": request.scan}
    if len(transforms.transforms) != len(request.steps):  # one is disabled: it has a digest, but is not there
        return dict(transforms(data))
    for step, digest in zip(transforms.transforms, request.steps, strict=True):
        if isinstance(step, CostlyStep):
            data = step.apply(data, _found(step, data, request, sha256_json([digest, content])))
        else:
            data = step(data)
    return data


def kept_path(out: Path, scan_id: str, step: object) -> Path:
    """The file of a costly step of a scan in the prepared data set `out`."""
    return out / FOLDER / f"{scan_id}_{type(step).__name__}.npz"


def _found(step: CostlyStep, data: Data, request: ScanRequest, digest: str) -> dict[str, Any]:
    own = kept_path(request.out, request.scan.id, step)
    if (found := _read(own, digest)) is not None:
        return found
    if request.reuse is not None:
        found = _read(kept_path(request.reuse, request.scan.id, step), digest)
    if found is None:
        found = step.measure(data)
    stream = io.BytesIO()
    arrays = {key: value for key, value in found.items() if key != "checks"}
    np.savez_compressed(stream, digest=digest, checks=json.dumps(found.get("checks", {})), **arrays)
    write_bytes(own, stream.getvalue())
    return found


def _read(path: Path, digest: str) -> dict[str, Any] | None:
    """What is kept there under this digest; None: nothing, something else, or a damaged file."""
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            if str(file["digest"]) != digest:
                return None
            arrays = {key: file[key] for key in file.files if key not in ("digest", "checks")}
            return {**arrays, "checks": json.loads(str(file["checks"]))}
    except Exception:  # numpy, zipfile and zlib each raise their own kinds; what is damaged is measured again
        return None
