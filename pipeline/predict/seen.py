"""What a model was trained or chosen on, as digests: no name leaves its data set, and no such scan calibrates it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError
from pipeline.predict.calibration import KnownScan

SPLITS = ("train", "validation")


def seen(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """SHA-256 of the subjects and contents of the splits that decide about a model."""
    items = [item for item in manifest["items"] if item["split"] in SPLITS]
    return {
        "subjects": sorted({digest(manifest, item["subject"]) for item in items}),
        "inputs": sorted({item["input_sha256"] for item in items if "input_sha256" in item}),
    }


def digest(manifest: Mapping[str, Any], subject: str) -> str:
    """SHA-256 of a subject of a data set; subjects of two data sets may have one id."""
    return hashlib.sha256(f"{manifest['name']}:{subject}".encode()).hexdigest()


def check_unseen(before: Mapping[str, list[str]], scan: KnownScan) -> None:
    """Refuse a normal that the model was trained or chosen on: it looks more normal to the model than others do.

    Args:
        before: what `seen` said of the data set of the model.

    Raises:
        PipelineError: it was.
    """
    if scan.person in before["subjects"] or scan.content in before["inputs"]:
        raise PipelineError(
            f"'{scan.subject}': the model was trained or chosen on this normal; give scans that it has not seen"
        )
