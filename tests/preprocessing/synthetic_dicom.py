"""DICOM series as a scanner writes them, with everything in the header that must not come out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

PRIVATE = ("Doe^Jane", "ID4711", "19991231", "St Elsewhere", "Dr^Who", "secret protocol")
_LPS = np.diag([-1.0, -1.0, 1.0])


def write_series(
    folder: Path, array: np.ndarray, affine: np.ndarray, *, modality: str = "CT", slope: float = 1.0,
    intercept: float = 0.0, leave_out: tuple[int, ...] = (), series: str = "one", number: int = 2,
    shuffled: bool = True, tag: int = 2, instance: str | None = None, **fields: Any,
) -> Path:  # fmt: skip
    """`array` [X, Y, Z] (int16, as stored) with `affine` (voxel → mm, RAS) as one file a slice, names unsorted."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(array.shape[2]) if shuffled else np.arange(array.shape[2])
    for index in range(array.shape[2]):
        if index not in leave_out:
            position = _LPS @ (affine[:3, 3] + index * affine[:3, 2])
            dataset = _slice(array[:, :, index].T, affine, position, modality, series, number)
            dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
            if instance is not None:
                dataset.SOPInstanceUID = f"{instance}.{index}"
            for key, value in fields.items():
                setattr(dataset, key, value)
            dataset.save_as(folder / f"IM{order[index]:04d}_{tag}.dcm", enforce_file_format=True)
    return folder


def _slice(
    pixels: np.ndarray, affine: np.ndarray, position: np.ndarray, modality: str, series: str, number: int
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(position)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = PRIVATE[0], PRIVATE[1], PRIVATE[2]
    dataset.StudyDate, dataset.InstitutionName, dataset.ReferringPhysicianName = PRIVATE[2], PRIVATE[3], PRIVATE[4]
    dataset.SeriesDescription, dataset.ProtocolName = PRIVATE[5], PRIVATE[5]
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, number, 1
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    spacing = np.linalg.norm(affine[:3, :2], axis=0)
    axes = _LPS @ affine[:3, :2] / spacing
    dataset.ImagePositionPatient = [f"{value:.6g}" for value in position]
    dataset.ImageOrientationPatient = [f"{value:.8f}" for value in axes.T.ravel()]
    dataset.PixelSpacing = [f"{spacing[1]:.8g}", f"{spacing[0]:.8g}"]
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.PixelData = np.ascontiguousarray(pixels, dtype=np.int16).tobytes()
    return dataset
