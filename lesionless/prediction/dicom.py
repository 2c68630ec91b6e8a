"""DICOM for scans that are DICOM: the series is read once more for what its objects must share with it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lesionless.prediction.order import Job
from lesionless.prediction.preparation import Preparation
from lesionless.prediction.sources import Source
from pipeline.errors import PipelineError
from pipeline.predict import dicom, outputs
from pipeline.predict.prediction import Prediction
from preprocessing.io.dicom import series_files


def check_dicom(sources: Sequence[Source]) -> None:
    """Refuse before any work what cannot be written as DICOM.

    Raises:
        PipelineError: highdicom is missing, or a scan is not a DICOM series.
    """
    dicom.check_installed()
    other = next((source.scan.image for source in sources if not source.scan.image.is_dir()), None)
    if other is not None:
        raise PipelineError(f"{other}: not a DICOM series; --dicom writes objects that refer to the series of a scan")


def write_dicom(job: Job, preparation: Preparation, found: Prediction, model: str) -> list[Path]:
    """Write mask and map of one scan as DICOM; their paths below the folder of the order."""
    out, scan = job.order.out, job.source.scan
    source = dicom.read_source(series_files(scan.image, preparation.config["load"]["series_tolerance"]))
    mask, scores = (outputs.name(scan.id, end) for end in ("label-lesion_seg.dcm", "anomaly.dcm"))
    dicom.write_segmentation(out / mask, source, found.mask, model, version("lesionless"))
    dicom.write_parametric_map(out / scores, source, found.native.scores, version("lesionless"))
    return [mask, scores]
