"""Mask and map as DICOM beside the series that they were drawn on: a Segmentation and a Parametric Map (highdicom)."""

from pipeline.predict.dicom.parametric_map import write_parametric_map
from pipeline.predict.dicom.segmentation import write_segmentation
from pipeline.predict.dicom.source import check_installed, read_source

__all__ = ["check_installed", "read_source", "write_parametric_map", "write_segmentation"]
