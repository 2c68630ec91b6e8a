"""The mask as a DICOM Segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.predict.dicom.instance import frames, of_series, write

if TYPE_CHECKING:
    from pydicom import Dataset


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
        pixel_array=frames(mask.astype(np.uint8)),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        omit_empty_frames=False,
        content_label="LESIONS",
        **of_series(source, "segmentation", version),
    )
    write(path, made)
