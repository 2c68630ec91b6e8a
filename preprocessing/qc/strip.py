"""A strip of slices of one scan on the atlas grid, and the lines that are drawn over it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.feature import canny

from preprocessing.space.geometry import resample
from preprocessing.space.grid import Volume

MARGIN_MM, GAP = 16.0, 6  # around the atlas brain; pixels between slices
PLANES = ((2, 0.22), (2, 0.42), (2, 0.62), (2, 0.8), (1, 0.35), (1, 0.62), (0, 0.3), (0, 0.48))
BRAIN, LESION, ATLAS = (255, 213, 74, 255), (255, 82, 140, 255), (79, 195, 247, 190)


class Frame:
    """Slices through the brain of an atlas, the same for every scan: four axial, two coronal, two sagittal.

    Pixels have the size of the atlas voxels, the left of the subject is on the left, anterior is up or to the right.

    Args:
        mask: brain mask of the atlas, in RAS order.
    """

    def __init__(self, mask: Volume) -> None:
        margin = int(MARGIN_MM / np.linalg.norm(mask.affine[:3, 0]))
        inside = [np.flatnonzero(mask.array.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        self.affine = mask.affine
        self.low = [int(ends[0]) - margin for ends in inside]
        self.high = [int(ends[-1]) + margin for ends in inside]
        self.planes = [
            (axis, int(round(inside[axis][0] + share * (inside[axis][-1] - inside[axis][0])))) for axis, share in PLANES
        ]

    def cut(self, volume: Volume, order: int) -> np.ndarray:
        """The slices of a volume in the space of the atlas, on any grid, side by side as one picture [H, W]."""
        to_voxels = np.linalg.inv(volume.affine) @ self.affine
        panels = [self._panel(volume.array, to_voxels, axis, index, order) for axis, index in self.planes]
        height = max(panel.shape[0] for panel in panels)
        return np.concatenate([_padded(panel, height) for panel in panels], axis=1)

    def _panel(self, array: np.ndarray, to_voxels: np.ndarray, axis: int, index: int, order: int) -> np.ndarray:
        across, up = [other for other in range(3) if other != axis]
        plane = np.zeros((4, 4))  # (row, column, 0) → voxel of the atlas
        plane[up, 0], plane[across, 1], plane[3, 3] = -1, 1, 1
        plane[[axis, up, across], 3] = index, self.high[up], self.low[across]
        plane[axis, 2] = 1
        shape = (self.high[up] - self.low[up] + 1, self.high[across] - self.low[across] + 1, 1)
        return resample(array, to_voxels @ plane, shape, order)[..., 0]


def photo(grey: np.ndarray) -> str:
    """A grey picture [H, W] in 0 … 255 as a data URI."""
    return _uri(Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)), quality=70)


def outlines(masks: Sequence[tuple[np.ndarray, tuple[int, int, int, int]]]) -> str:
    """The outlines of masks [H, W], each in its RGBA colour, the later ones above, on a clear ground as a data URI."""
    picture = np.zeros((*masks[0][0].shape, 4), np.uint8)
    for mask, colour in masks:
        picture[mask & ~ndimage.binary_erosion(mask)] = colour
    return _uri(Image.fromarray(picture), lossless=True)


def edges(atlas: np.ndarray) -> str:
    """Canny edges (Canny 1986, σ = 2 pixels) of the atlas image [H, W] on a clear ground as a data URI."""
    picture = np.zeros((*atlas.shape, 4), np.uint8)
    picture[canny(atlas / atlas.max(), sigma=2.0, low_threshold=0.05, high_threshold=0.12)] = ATLAS
    return _uri(Image.fromarray(picture), lossless=True)


def _padded(panel: np.ndarray, height: int) -> np.ndarray:
    above = (height - panel.shape[0]) // 2
    return np.pad(panel, ((above, height - panel.shape[0] - above), (GAP // 2, GAP // 2)))


def _uri(picture: Image.Image, **options: object) -> str:
    stream = io.BytesIO()
    picture.save(stream, "WEBP", **options)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
