"""The files of one predicted scan and of a cohort, by the rules of BIDS derivatives."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pipeline.files import quoted, write_bytes, write_json
from pipeline.predict.native import NativeScores

# BIDS has no suffix for anomaly maps and none for our tables; the masks and their sidecars are BIDS.
IGNORED = (
    "/*\n!/sub-*\n!/dataset_description.json\n!/README.md\n*_anomaly.*\n*_lesions.tsv\n*_summary.json\n*.html\n*.dcm\n"
)
README = """Anomaly maps and lesion masks drawn by lesionless, on each scan's own grid.

Research use only; not a medical device. `cohort.tsv` has a line a scan, `lesions.tsv` a line a lesion, `index.html`
shows both. What was done to each scan is in `ledger/`; the scans as the network saw them are in `prepared/`.
"""
USE = "Research use only; not a medical device."


def folder(scan: str) -> Path:
    """`sub-X/anat` or `sub-X/ses-Y/anat`."""
    return Path(*scan.split("_")) / "anat"


def name(scan: str, suffix: str, space: str = "orig") -> Path:
    """The relative path of a file of the scan `sub-X[_ses-Y]`.

    >>> name("sub-1", "label-lesion_mask.nii.gz").as_posix()
    'sub-1/anat/sub-1_space-orig_label-lesion_mask.nii.gz'
    """
    return folder(scan) / f"{scan}_space-{space}_{suffix}"


def write_image(path: Path, array: NDArray, affine: NDArray[np.float64], description: Mapping[str, Any]) -> None:
    """Write a NIfTI image and its sidecar; the same for the same content, and nothing of another file's header."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
    write_json(path.with_name(path.name.split(".")[0] + ".json"), dict(description))


def write_images(out: Path, scan: str, space: str, native: NativeScores, mask: NDArray, source: str) -> list[Path]:
    """Write the map and the mask of a scan in one space; their paths, and those of their sidecars, below `out`.

    Args:
        source: of the scan, as BIDS URI.
    """
    common = {"Sources": [source], "SpatialReference": "orig" if space == "orig" else space, "Use": USE}
    about = {
        "anomaly.nii.gz": {
            "Description": "Anomaly map, higher is more anomalous, 0 outside the brain",
            "Units": "arbitrary",
        },
        "label-lesion_mask.nii.gz": {"Description": "Predicted, not drawn by a person", "Type": "Lesion"},
    }
    written = []
    images: dict[str, NDArray] = dict(zip(about, (native.scores, mask.astype(np.uint8)), strict=True))
    for suffix, array in images.items():
        path = name(scan, suffix, space)
        write_image(out / path, array, native.grid.affine, {**about[suffix], **common})
        written += [path, path.with_name(path.name.split(".")[0] + ".json")]
    return written


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as a TSV by the rules of BIDS: `n/a` for what is not known, no tab or line break in a value,
    and none that a spreadsheet would compute."""
    lines = ["\t".join(columns), *("\t".join(_cell(row.get(column)) for column in columns) for row in rows)]
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def write_description(out: Path, version: str) -> None:
    """`dataset_description.json`, `README.md` and `.bidsignore`."""
    write_json(
        out / "dataset_description.json",
        {
            "Name": "Anomaly maps",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "lesionless predict", "Version": version}],
        },
    )
    write_bytes(out / "README.md", README.encode())
    write_bytes(out / ".bidsignore", IGNORED.encode())


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "n/a"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(quoted(" ".join(value.split()))) if isinstance(value, str) else json.dumps(value)
