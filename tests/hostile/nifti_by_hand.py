"""NIfTI-1 files written and read by the standard alone, without NiBabel: what a file really says."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

KINDS = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
CODES = {name: code for code, name in KINDS.items()}
ROUNDING = 3 * np.finfo("f4").eps  # of 1 − b² − c² − d², from three float32; the library of the standard takes 1e-7


@dataclass(frozen=True)
class Volume:
    """An array and where it lies, voxel → mm."""

    array: np.ndarray
    affine: np.ndarray


def write(
    volume: Volume,
    kind: str,
    order: str = "<",
    codes: tuple[int, int] = (1, 1),
    scaling: tuple[float, float] = (1.0, 0.0),
    trailing_axes: int = 0,
    units: int = 2,
    single: bool = True,
) -> tuple[bytes, bytes]:
    """Header and voxels of a file; `codes` of sform and qform; the array is stored as it is."""
    shape = (*volume.array.shape, *trailing_axes * [1])
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    axes = volume.affine[:3, :3] / spacing
    hand = np.sign(np.linalg.det(axes))
    x, y, z, w = Rotation.from_matrix(axes * (1, 1, hand)).as_quat()
    quaternion = (x, y, z) if w >= 0 else (-x, -y, -z)
    head = bytearray(352 if single else 348)
    for place, form, values in (
        (0, "i", (348,)),
        (40, "8h", (len(shape), *shape, *(7 - len(shape)) * [1])),
        (70, "2h", (CODES[kind], 8 * np.dtype(kind).itemsize)),
        (76, "8f", (hand, *spacing, *4 * [1.0])),
        (108, "3f", (352.0 if single else 0.0, *scaling)),
        (123, "b", (units,)),
        (252, "2h", (codes[1], codes[0])),
        (256, "6f", (*quaternion, *volume.affine[:3, 3])),
        (280, "12f", volume.affine[:3].ravel()),
    ):
        struct.pack_into(order + form, head, place, *values)
    head[344:348] = b"n+1\0" if single else b"ni1\0"
    return bytes(head), volume.array.astype(order + kind).tobytes(order="F")


def read(content: bytes) -> Volume | None:
    """What a single file says; None where the standard does not say what it would be."""
    order = next((sign for sign in "<>" if 1 <= _fields(content, sign, 40, "h")[0] <= 7), None)
    if order is None or content[344:348] != b"n+1\0":
        return None
    axes, *dims = _fields(content, order, 40, "8h")
    code, _ = _fields(content, order, 70, "2h")
    offset, slope, intercept = _fields(content, order, 108, "3f")
    if code not in KINDS or not 1 <= axes <= 7 or min(dims[:axes]) < 1 or not np.isfinite([offset, slope]).all():
        return None
    shape = tuple(dims[:axes])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    stored = np.frombuffer(content, order + KINDS[code], int(np.prod(shape)), max(int(offset), 352))
    array = stored.reshape(shape, order="F")
    values = array.astype(np.float64) * slope + intercept if slope else array.astype(np.float64)
    return Volume(values, _affine(content, order))


def _affine(content: bytes, order: str) -> np.ndarray:
    qform, sform = _fields(content, order, 252, "2h")
    affine = np.eye(4)
    if sform > 0 or qform <= 0:
        affine[:3] = np.reshape(_fields(content, order, 280, "12f"), (3, 4))
        return affine
    hand, *spacing = _fields(content, order, 76, "4f")
    b, c, d, *origin = _fields(content, order, 256, "6f")
    square = 1 - b * b - c * c - d * d
    a = np.sqrt(square) if square > ROUNDING else 0.0  # half a turn
    rotation = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
    ]
    affine[:3, :3] = np.array(rotation) * spacing * (1, 1, -1 if hand < 0 else 1)
    affine[:3, 3] = origin
    return affine


def _fields(content: bytes, order: str, place: int, form: str) -> tuple[float, ...]:
    return struct.unpack_from(order + form, content, place)
