"""Brain of a CT head by Hounsfield units and morphology."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.space.geometry import largest
from preprocessing.space.grid import Volume
from preprocessing.strippers.tools import conform, restore

GRID_MM = 2.0
AIR, TISSUE = -1000.0, -300.0  # HU
BRAIN, OUTSIDE = 1, 2


class CtStripper:
    """Thresholds and a watershed inside the skull; image in Hounsfield units (HU).

    On a grid of 2 mm along the world axes, so that thick and skewed slices are handled alike:

    1. bone is where the smoothed image is above `bone`; d = distance to the nearest bone in mm;
    2. markers: `brain` is the largest part of the soft tissue with d > `cavity_mm`; `outside` are the other such
       parts, for example the neck, and the skin, `skin_mm` thick;
    3. the watershed of −d parts them where the way is narrowest: at the foramina, and at a hole in the skull.

    Then, on the scan's own grid, brain = the opened basin where `soft[0]` < smoothed image < `soft[1]`: the largest
    part, its holes filled. Smoothed, blood at the inner table looks like bone: what is within `rim_mm` of the brain and
    soft in the image itself is given back. The thresholds are those of Muschelli et al. 2015 (NeuroImage, Validated
    automatic brain extraction of head CT images) with a margin for noise; the watershed stands in place of BET.

    Args:
        soft: lower and upper HU of cerebrospinal fluid, brain and blood, after smoothing.
        bone: lowest HU of bone, after smoothing.
        cavity_mm: distance to bone that only large cavities hold.
        skin_mm: thickness of the layer under the surface of the head that is no brain.
        opening_mm: radius of the opening that cuts thin bridges.
        rim_mm: width of the layer at the inner table that is given back.
        sigma_mm: of the Gaussian against noise.
    """

    def __init__(
        self,
        soft: Sequence[float] = (-10.0, 100.0),
        bone: float = 180.0,
        cavity_mm: float = 20.0,
        skin_mm: float = 5.0,
        opening_mm: float = 4.0,
        rim_mm: float = 3.0,
        sigma_mm: float = 1.0,
    ) -> None:
        self.soft, self.bone = soft, bone
        self.cavity_mm, self.skin_mm = cavity_mm, skin_mm
        self.opening_mm = opening_mm
        self.rim_mm = rim_mm
        self.sigma_mm = sigma_mm

    def __call__(self, image: np.ndarray, affine: np.ndarray, given: np.ndarray | None) -> np.ndarray:
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        smooth = ndimage.gaussian_filter(image, self.sigma_mm / spacing)
        whole = np.ones(image.shape, bool)
        coarse = conform(smooth - AIR, affine, whole, GRID_MM, margin=2 * GRID_MM)  # outside the image is air
        basin = restore(Volume(self._basin(coarse.array + AIR), coarse.affine), affine, image.shape)
        brain = largest(ndimage.binary_opening(basin & self._soft(smooth)))
        near = ndimage.distance_transform_edt(~brain, sampling=spacing) <= self.rim_mm
        return np.asarray(ndimage.binary_fill_holes(brain | (near & self._soft(image))))

    def _soft(self, image: np.ndarray) -> np.ndarray:
        return (image > self.soft[0]) & (image < self.soft[1])

    def _basin(self, image: np.ndarray) -> np.ndarray:
        from skimage.segmentation import watershed

        bone = image > self.bone
        head = ndimage.binary_fill_holes(largest(_opened(image > TISSUE, self.opening_mm)))
        depth = _depth(~bone)
        soft = head & ~bone & (image > self.soft[0])
        markers = self._markers(soft & (depth > self.cavity_mm), _depth(head))
        basin = watershed(-depth, markers, mask=head & ~bone) == BRAIN
        return largest(_opened(basin & soft, self.opening_mm))

    def _markers(self, deep: np.ndarray, below_surface: np.ndarray) -> np.ndarray:
        deep = deep & (below_surface > self.cavity_mm)
        if not deep.any():
            raise PreprocessingError(f"no cavity of the skull is {2 * self.cavity_mm:g} mm wide; is it a CT head?")
        markers = np.where(below_surface <= self.skin_mm, OUTSIDE, 0)
        markers[deep] = OUTSIDE
        markers[largest(deep)] = BRAIN
        return markers


def _depth(mask: np.ndarray) -> np.ndarray:
    """Distance in mm to the nearest voxel outside `mask`."""
    return np.asarray(GRID_MM * ndimage.distance_transform_edt(mask))


def _opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """`mask` without what a ball of `radius` mm does not fit into."""
    return mask & (_depth(~(_depth(mask) > radius)) <= radius)
