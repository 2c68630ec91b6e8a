"""The series that the objects lie on, and the extra that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pydicom import Dataset

# Type 2 attributes: a source that leaves one out altogether is common, and the copy has it empty.
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def check_installed() -> None:
    """Refuse before any work where the extra is missing.

    Raises:
        PipelineError: it is.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise PipelineError("DICOM output needs the extra dicom: pip install 'lesionless[dicom]'") from error


def read_source(files: Sequence[Path]) -> list[Dataset]:
    """The headers of a series without its pixels, in the order of `files`.

    What the standard lets a source leave empty is empty here, and an empty slice thickness is the distance of slices.
    """
    from pydicom import dcmread

    headers: list[Dataset] = [dcmread(path, stop_before_pixels=True) for path in files]
    for header in headers:
        header.SliceThickness = header.get("SliceThickness") or _distance(headers)
        for name in _MAY_BE_EMPTY:
            if name not in header:
                setattr(header, name, None)
    return headers


def _distance(source: Sequence[Dataset]) -> float:
    """Of neighbouring slices, mm."""
    axes = np.array(source[0].ImageOrientationPatient, float).reshape(2, 3)
    ends = (np.array(header.ImagePositionPatient, float) for header in (source[0], source[-1]))
    return round(abs(float(np.cross(*axes) @ np.subtract(*ends))) / (len(source) - 1), 6)
