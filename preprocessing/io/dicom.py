"""One DICOM series in one folder → array and affine; its geometry is checked, its free text is never read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from preprocessing.errors import PreprocessingError

_SERIES, _NUMBER, _MODALITY, _FRAMES = "0020|000e", "0020|0011", "0008|0060", "0028|0008"
_INSTANCE = "0008|0018"
_POSITION, _ORIENTATION, _SPACING = "0020|0032", "0020|0037", "0028|0030"
_COUNTS = {"position": 3, "orientation": 6, "spacing": 2}
_RAS = np.diag([-1.0, -1.0, 1.0])  # DICOM patient axes are LPS
_ANGLE = 1e-3  # of direction cosines, which are written with few digits
_BARE = (b"\x08\x00", b"\x02\x00")  # how files begin that lack the preamble


@dataclass(frozen=True)
class Slice:
    """What the header of one file says.

    Args:
        path: the file.
        series: UID of its series.
        instance: UID of its own, which a copy shares.
        name: of its series in a message.
        position: of the first pixel [3], mm, LPS.
        orientation: direction of the rows and columns [2, 3].
        spacing: between rows and between columns, mm.
        size: columns and rows.
    """

    path: Path
    series: str
    instance: str
    name: str
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    size: tuple[int, int]


def is_series(folder: Path) -> bool:
    """Whether a file of `folder` is DICOM, by its preamble."""
    return any(map(_is_dicom, _files(folder)))


def load_series(folder: Path, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Array [X, Y, Z] float32 and affine (voxel → mm, RAS) of the one series in `folder`.

    Values are `slope · stored + intercept`, for CT Hounsfield units. The third column of the affine is the step from
    slice to slice as the positions say it: with a tilted gantry it is not perpendicular to the slices, and the affine
    has the shear, so that nothing is interpolated here.

    Args:
        folder: holds the files of one series; files that are not DICOM are ignored.
        tolerance: largest deviation of a slice from its place, as a share of the slice distance.

    Raises:
        PreprocessingError: no DICOM, several series, several frames a file, a slice missing, twice or out of line,
            mixed orientations or sizes, or a file that cannot be read.
    """
    ordered, step = _ordered(folder, tolerance)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(item.path) for item in ordered])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    array = np.transpose(sitk.GetArrayFromImage(_quietly(reader, folder)), (2, 1, 0))
    return np.ascontiguousarray(array), _affine(ordered[0], step)


def series_files(folder: Path, tolerance: float) -> list[Path]:
    """The files of the one series in `folder`, in the order of the third axis of `load_series`, which see."""
    ordered, _ = _ordered(folder, tolerance)
    return [item.path for item in ordered]


def modality(folder: Path) -> str:
    """The DICOM modality of a series, `CT`, `MR`, …, by its first file."""
    return _text(_open(next(filter(_is_dicom, _files(folder)))), _MODALITY)


def _ordered(folder: Path, tolerance: float) -> tuple[list[Slice], np.ndarray]:
    slices = [_header(path) for path in _files(folder) if _is_dicom(path)]
    if not slices:
        raise PreprocessingError(f"{folder}: no DICOM file{_instead(folder)}")
    _check_alike(folder, slices)
    return _stack(folder, slices, tolerance)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _is_dicom(path: Path) -> bool:
    return path.name != "DICOMDIR" and _begins(path, 132)[128:] == b"DICM"


def _begins(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise PreprocessingError(f"{path}: cannot be read ({error.strerror})") from error


def _open(path: Path) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:  # its text may hold what the header says
        raise PreprocessingError(f"{path}: unreadable or truncated DICOM") from error
    return reader


def _header(path: Path) -> Slice:
    reader = _open(path)
    if (frames := int(_number(path, _text(reader, _FRAMES) or "1", "number of frames"))) > 1:
        raise PreprocessingError(f"{path}: {frames} frames in one file; convert it to NIfTI, for example by dcm2niix")
    needed = {"position": _POSITION, "orientation": _ORIENTATION, "spacing": _SPACING}
    reasons = [f"no {name}" for name, tag in needed.items() if not _text(reader, tag)]
    if reasons or reader.GetNumberOfComponents() > 1:
        raise PreprocessingError(f"{path}: not a slice of a volume ({reasons[0] if reasons else 'colour'})")
    columns, rows = reader.GetSize()[:2]
    position, orientation, spacing = (
        _numbers(path, reader, needed[name], name, count) for name, count in _COUNTS.items()
    )
    name = f"series {_text(reader, _NUMBER) or '?'} ({_text(reader, _MODALITY)})"
    return Slice(
        path,
        _text(reader, _SERIES),
        _text(reader, _INSTANCE),
        name,
        position,
        orientation.reshape(2, 3),
        (spacing[0], spacing[1]),
        (columns, rows),
    )


def _text(reader: Any, tag: str) -> str:
    return reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else ""


def _numbers(path: Path, reader: Any, tag: str, name: str, count: int) -> np.ndarray:
    values = reader.GetMetaData(tag).split("\\")
    if len(values) != count:
        raise PreprocessingError(f"{path}: its {name} has {len(values)} numbers, not {count}")
    return np.array([_number(path, value, name) for value in values])


def _number(path: Path, text: str, name: str) -> float:
    """A number of a header, whose text no message repeats."""
    try:
        value = float(text)
    except ValueError as error:
        hint = " (a decimal comma; DICOM has a point)" if "," in text else ""
        raise PreprocessingError(f"{path}: its {name} is not a number{hint}") from error
    if not np.isfinite(value):
        raise PreprocessingError(f"{path}: its {name} is not finite")
    return value


def _check_alike(folder: Path, slices: Sequence[Slice]) -> None:
    names = {item.series: item.name for item in slices}
    if len(names) > 1:
        counts = Counter(item.series for item in slices)
        choices = ", ".join(sorted(f"{name}: {counts[series]} files" for series, name in names.items()))
        raise PreprocessingError(f"{folder}: {len(names)} series in one folder ({choices}); each needs its own folder")
    first = slices[0]
    for item in slices:
        if np.abs(item.orientation - first.orientation).max() > _ANGLE:
            raise PreprocessingError(f"{folder}: mixed orientations, {first.path.name} and {item.path.name} differ")
        if item.size != first.size or not np.allclose(item.spacing, first.spacing, rtol=_ANGLE):
            raise PreprocessingError(f"{folder}: mixed sizes, {_grid(first)} and {_grid(item)}")


def _grid(item: Slice) -> str:
    return f"{item.size[0]} × {item.size[1]} pixels of {item.spacing[1]:g} × {item.spacing[0]:g} mm"


def _stack(folder: Path, slices: Sequence[Slice], tolerance: float) -> tuple[list[Slice], np.ndarray]:
    """The slices along their normal, and the step from one to the next [3] in mm, LPS."""
    if len(slices) < 2:
        raise PreprocessingError(f"{folder}: one slice; a series has several")
    normal = np.cross(*slices[0].orientation)
    ordered = sorted(slices, key=lambda item: float(item.position @ normal))
    positions = np.array([item.position for item in ordered])
    distances = np.diff(positions @ normal)
    usual = float(np.median(distances))
    if distances.min() <= tolerance * usual or usual == 0:
        raise PreprocessingError(f"{folder}: two slices at one place{_twice(slices)}; a folder holds one volume")
    for index in np.flatnonzero(np.abs(distances - usual) > tolerance * usual):
        gap = f"{distances[index]:.4g} mm between slices {index + 1} and {index + 2}, others {usual:.4g} mm"
        kind = "slice missing" if round(distances[index] / usual) >= 2 else "uneven slice distances"
        raise PreprocessingError(f"{folder}: {kind}: {gap}")
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    shift = np.linalg.norm(positions - positions[0] - np.arange(len(positions))[:, None] * step, axis=1).max()
    if shift > tolerance * usual:
        raise PreprocessingError(f"{folder}: slices out of line by up to {shift:.1f} mm")
    return ordered, step


def _twice(slices: Sequence[Slice]) -> str:
    """Whether slices at one place are copies of one another, or of several volumes."""
    copies = len(slices) - len({item.instance for item in slices})
    if copies:
        return f": {copies} of {len(slices)} files are copies of others (one SOPInstanceUID); delete them"
    return ": several volumes (echoes, phases or repetitions) in one series; give each its own folder"


def _instead(folder: Path) -> str:
    """What the files of a folder without DICOM are."""
    names = [path.name.lower() for path in _files(folder)]
    if any(name.endswith((".nii", ".nii.gz")) for name in names):
        return "; it has NIfTI files, name one of them"
    bare = sum(_begins(path, 2) in _BARE for path in _files(folder))
    if bare:
        return f"; {bare} files begin like DICOM without its preamble (DICM at byte 128): write them anew, by dcmconv"
    return f"; {len(names)} other files" if names else "; it is empty"


def _quietly(reader: Any, folder: Path) -> Any:
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # ITK would print headers' values; the checks here are stricter
    try:
        return reader.Execute()
    except RuntimeError as error:
        raise PreprocessingError(f"{folder}: unreadable or truncated DICOM") from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _affine(first: Slice, step: np.ndarray) -> np.ndarray:
    rows, columns = first.orientation  # directions along which the column and the row index grow
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = rows * first.spacing[1], columns * first.spacing[0], step
    affine[:3, 3] = first.position
    affine[:3] = _RAS @ affine[:3]
    return affine
