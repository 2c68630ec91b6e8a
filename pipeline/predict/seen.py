"""What a model was trained or chosen on, as digests: no name leaves its data set, and no such scan calibrates it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.errors import PipelineError
from pipeline.predict.calibration import KnownScan

SPLITS = ("train", "validation")


def seen(manifest: Mapping[str, Any], files: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """SHA-256 of the subjects, contents and single files of the splits that decide about a model.

    Args:
        files: SHA-256 of the files of each scan, by its id; the label of a new scan is not read, so that its content
            alone would not tell it.
    """
    items = [item for item in manifest["items"] if item["split"] in SPLITS]
    return {
        "subjects": sorted({digest(manifest, item["subject"]) for item in items}),
        "inputs": sorted({item["input_sha256"] for item in items if "input_sha256" in item}),
        "files": sorted({file for item in items for file in files.get(item["id"], ())}),
    }


def was_seen(before: Mapping[str, list[str]], content: str, files: Iterable[str]) -> bool:
    """Whether the model was trained or chosen on a scan of this content, or on one that has one of its files.

    Args:
        before: what `seen` said of the data set of the model; models of earlier releases do not know files.
        content, files: SHA-256 of the scan and of its files.
    """
    return content in before["inputs"] or not set(before.get("files", ())).isdisjoint(files)


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
