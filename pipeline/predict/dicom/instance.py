"""What both objects have: series, UIDs, maker, the order of the axes, and their file."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files import write_bytes
from pipeline.predict.outputs import USE

if TYPE_CHECKING:
    from pydicom import Dataset

MAKER, PRODUCT = "lesionless", "lesionless predict"
SERIES = {"segmentation": 9101, "parametric map": 9102}  # numbers that a scanner does not give


def of_series(source: Sequence[Dataset], kind: str, version: str) -> dict[str, Any]:
    """The arguments that both objects take.

    The UIDs are new each time: what is written again at another time is another instance.
    """
    import highdicom as hd

    return {
        "source_images": source,
        "series_instance_uid": hd.UID(),
        "sop_instance_uid": hd.UID(),
        "series_number": SERIES[kind],
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": version,
        "device_serial_number": "none",
        "series_description": f"lesionless {kind}, research use only",
        "content_description": USE,
    }


def frames(array: NDArray[Any]) -> NDArray[Any]:
    """[X, Y, Z] → frames, rows, columns: the first axis of a volume runs along the columns."""
    return np.ascontiguousarray(array.transpose(2, 1, 0))


def write(path: Path, made: Any) -> None:
    """Write an object by atomic rename."""
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    write_bytes(path, stream.getvalue())
