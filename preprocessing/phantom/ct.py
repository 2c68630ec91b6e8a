"""The CT modality of the sample cohort: raw heads in Hounsfield units with acute haemorrhages."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.fields import generator
from preprocessing.phantom.haemorrhage import draw_haemorrhage, oedema
from preprocessing.phantom.hounsfield import AIR, cranial_depth, healthy_signal
from preprocessing.phantom.modality import Modality, Painting, draw_swelling
from preprocessing.phantom.scanner import Scanner, apply_affine, middle, place

HU = (-1024, 3071)  # what 12 bits hold
_SIGNS = ((1, 1, 1), (-1, -1, 1), (-1, 1, 1), (-1, -1, -1))  # of the axes in a file, against right, front, up
REST_MM, REST_THICK_MM, REST_HU = (112.0, 124.0), 3.5, 120.0  # half axes of the head rest; thickness; its shell


def paint(anatomy: Anatomy, subject: tuple[int, str, int], diseased: bool, rng: np.random.Generator) -> Painting:
    """A head in HU − AIR, with a haemorrhage or without; what brain extraction is to find is the cranial cavity."""
    depth = cranial_depth(anatomy)
    head = healthy_signal(anatomy, depth, subject)
    swelling = [draw_swelling(anatomy, rng)]
    lesions = draw_haemorrhage(anatomy, depth, subject) if diseased else None
    if lesions is not None:
        head = lesions.paint(head - rng.uniform(6, 12) * oedema(lesions, anatomy), 1.0, 0.0)
        swelling += [(lesions.soft, lesions.mass)] if lesions.mass else []
    return Painting(head.astype(np.float32), (depth > 0).astype(np.uint8), lesions, swelling)


def draw_ct_scanner(seed: int, group: str, index: int, field_of_view: np.ndarray) -> Scanner:
    """A CT scanner: axial slices of 3–5 mm, tilted by up to 20° as a gantry is; noise in HU.

    The grid has right angles, as converters write it after they have corrected the shear of a tilted gantry.
    """
    rng = generator(seed, group, index, "scanner")
    spacing = np.array([*np.full(2, rng.uniform(0.9, 1.1)), rng.uniform(3.0, 5.0)])
    tilt = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * (20, 2, 3), degrees=True).as_matrix()
    affine, shape = place(spacing, (0, 1, 2), _SIGNS[index % len(_SIGNS)], tilt, field_of_view, rng.uniform(-25, 25, 3))
    return Scanner(affine, shape, spacing, "int16", 1.0, rng.uniform(3.0, 5.5), 0.0)


def record_hounsfield(signal: np.ndarray, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """`signal + AIR + noise` with the head rest behind the head, in whole HU; noise is correlated within slices."""
    signal = np.maximum(signal, _head_rest(scanner))
    grain = ndimage.gaussian_filter(rng.standard_normal(scanner.shape, dtype=np.float32), (0.6, 0.6, 0))
    hu = signal + AIR + scanner.noise / grain.std() * grain
    return np.clip(np.rint(hu), *HU).astype(scanner.dtype)


def _head_rest(scanner: Scanner) -> np.ndarray:
    """HU − AIR of a shell, half an ellipse around the field of view's middle, behind and beside the head."""
    rest = np.zeros(scanner.shape, np.float32)
    x, y, _ = apply_affine(scanner.affine, np.indices(scanner.shape)) - middle(scanner)[:, None, None, None]
    wide, deep = REST_MM
    radius = np.sqrt((x / wide) ** 2 + (y / deep) ** 2)
    rest[(np.abs(radius - 1) * deep < REST_THICK_MM / 2) & (y < -20)] = REST_HU - AIR
    return rest


CT = Modality(
    suffix="ct",
    heads="CT heads in Hounsfield units",
    lesions="haemorrhages",
    differs="its own shape, tissue densities, skull, noise, gantry tilt, slice thickness and voxel grid",
    margin=(34.0, 44.0, 16.0),
    paint=paint,
    draw_scanner=draw_ct_scanner,
    record=record_hounsfield,
)
