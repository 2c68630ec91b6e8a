"""The scores as a DICOM Parametric Map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.predict.dicom.instance import frames, of_series, write

if TYPE_CHECKING:
    from pydicom import Dataset


def write_parametric_map(path: Path, source: Sequence[Dataset], scores: NDArray[np.float32], version: str) -> None:
    """Write the anomaly map as a Parametric Map, float32, the scores as they are.

    Args:
        source: headers of the series, a slice each, in the order of the third axis of the map.
        scores: [X, Y, Z] float32, on the grid of the series; no unit.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    low, high = float(scores.min()), max(float(scores.max()), float(scores.min()) + 1e-6)
    values = hd.pm.RealWorldValueMapping(
        lut_label="SCORE",
        lut_explanation="Anomaly score, higher is more anomalous",
        unit=codes.UCUM.NoUnits,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
    )
    window = hd.VOILUTTransformation((low + high) / 2, high - low, voi_lut_function="LINEAR_EXACT")
    made = hd.pm.ParametricMap(
        pixel_array=frames(scores),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[values],
        voi_lut_transformations=[window],
        content_label="ANOMALY_MAP",
        **of_series(source, "parametric map", version),
    )
    made.BodyPartExamined = "BRAIN"
    write(path, made)
