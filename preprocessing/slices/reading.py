"""A slice of a file as an array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import binary_fill_holes, label, zoom

from preprocessing.errors import PreprocessingError

TISSUE = 0.05  # of the brightest voxel of a patient: what is darker at the border is background


def read_slice(path: Path, channel: int = 0) -> np.ndarray:
    """A PNG, TIF or NPY image as float32 [H, W], rows from top to bottom.

    Args:
        path: of the file.
        channel: of a coloured image.

    Raises:
        PreprocessingError: no image, a channel that it does not have, or numbers that are not finite.
    """
    try:
        array = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.asarray(Image.open(path))
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise PreprocessingError(f"{path}: no image: {error}") from error
    if array.ndim == 3:
        if channel >= array.shape[2]:
            raise PreprocessingError(f"{path}: no channel {channel}; it has {array.shape[2]}")
        array = array[..., channel]
    if array.ndim != 2 or not np.isfinite(array).all():
        raise PreprocessingError(f"{path}: an image has two axes and finite numbers, this one has {array.shape}")
    return array.astype(np.float32)


def squared(array: np.ndarray, size: int, order: int) -> np.ndarray:
    """In the middle of a square, then of `size` × `size` pixels by splines of that order."""
    side = max(array.shape)
    before = [(side - length) // 2 for length in array.shape]
    pads = [(first, side - length - first) for first, length in zip(before, array.shape, strict=True)]
    whole = np.pad(array, pads)
    return zoom(whole, size / side, order=order, grid_mode=True, mode="grid-constant")


def tissue(volume: np.ndarray) -> np.ndarray:
    """The brain of slices [N, H, W] on a dark background: in each the largest part, without holes."""
    bright = volume > TISSUE * volume.max()
    brain = np.zeros(volume.shape, bool)
    for index, plane in enumerate(bright):
        parts, count = label(plane)
        if count:
            brain[index] = binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax())
    return brain
