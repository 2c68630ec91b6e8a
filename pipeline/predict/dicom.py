"""Mask and map as DICOM beside the series that they were drawn on: a Segmentation and a Parametric Map (highdicom)."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.files import write_bytes
from pipeline.predict.outputs import USE

if TYPE_CHECKING:
    from pydicom import Dataset

MAKER, PRODUCT = "lesionless", "lesionless predict"
SERIES = {"segmentation": 9101, "parametric map": 9102}  # numbers that a scanner does not give
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


def write_segmentation(
    path: Path, source: Sequence[Dataset], mask: NDArray[np.bool_], model: str, version: str
) -> None:
    """Write the mask as a binary Segmentation with a frame for every slice of the source.

    Args:
        source: headers of the series, a slice each, in the order of the third axis of the mask.
        mask: [X, Y, Z] bool, on the grid of the series.
        model: title of the model, the name of the algorithm. version: of lesionless.
    """
    import highdicom as hd
    from pydicom.sr.codedict import codes

    algorithm = hd.AlgorithmIdentificationSequence(
        name=model[:64], family=codes.DCM.ArtificialIntelligence, version=version
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Predicted lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        anatomic_regions=[codes.SCT.Brain],
    )
    made = hd.seg.Segmentation(
        pixel_array=_frames(mask.astype(np.uint8)),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        omit_empty_frames=False,
        content_label="LESIONS",
        **_common(source, "segmentation", version),
    )
    _write(path, made)


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
        pixel_array=_frames(scores),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[values],
        voi_lut_transformations=[window],
        content_label="ANOMALY_MAP",
        **_common(source, "parametric map", version),
    )
    made.BodyPartExamined = "BRAIN"
    _write(path, made)


def _common(source: Sequence[Dataset], kind: str, version: str) -> dict[str, Any]:
    """What both have: new UIDs, since an instance that is written again at another time is another instance."""
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


def _distance(source: Sequence[Dataset]) -> float:
    """Of neighbouring slices, mm."""
    axes = np.array(source[0].ImageOrientationPatient, float).reshape(2, 3)
    ends = (np.array(header.ImagePositionPatient, float) for header in (source[0], source[-1]))
    return round(abs(float(np.cross(*axes) @ np.subtract(*ends))) / (len(source) - 1), 6)


def _frames(array: NDArray[Any]) -> NDArray[Any]:
    """[X, Y, Z] → frames, rows, columns: the first axis of a volume runs along the columns."""
    return np.ascontiguousarray(array.transpose(2, 1, 0))


def _write(path: Path, made: Any) -> None:
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    write_bytes(path, stream.getvalue())
