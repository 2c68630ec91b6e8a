"""One simulated subject: anatomy, appearance, lesions, deformation and scanner put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from preprocessing.phantom.anatomy import Anatomy, bounding_box
from preprocessing.phantom.deformation import sampling_points
from preprocessing.phantom.fields import generator
from preprocessing.phantom.flair import FLAIR
from preprocessing.phantom.lesions import Lesions
from preprocessing.phantom.modality import Modality
from preprocessing.phantom.scanner import partial_volume

LESION = "lesion"


@dataclass(frozen=True)
class Subject:
    """image [X, Y, Z], its affine (voxel → mm, RAS), brain and lesion masks (uint8, `lesion` is None when healthy),
    and `facts`: what is known of the simulation."""

    image: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray | None
    facts: dict[str, Any]


def simulate(anatomy: Anatomy, seed: int, group: str, index: int, modality: Modality = FLAIR) -> Subject:
    """The subject `index` (from 0) of `group`; it depends on the arguments only."""
    subject = (seed, group, index)
    rng = generator(*subject, "signal")
    painting = modality.paint(anatomy, subject, group == LESION, rng)
    scanner = modality.draw_scanner(*subject, anatomy.head_box[1] + modality.margin)
    points = sampling_points(anatomy, scanner, subject, painting.swelling)
    head = partial_volume(painting.head, scanner.thickness, np.linalg.norm(anatomy.affine[:3, :3], axis=0))
    image = modality.record(_sample(head, points), scanner, rng)
    brain, lesions = _sample_mask(painting.brain, points), painting.lesions
    mask = None if lesions is None else brain * _sample_mask(np.maximum(lesions.soft, lesions.core), points)
    return Subject(image, scanner.affine, brain, mask, _facts(subject, scanner.affine, lesions, mask))


def _sample(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.map_coordinates(volume.astype(np.float32, copy=False), points, order=1))


def _sample_mask(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """`volume ≥ 0.5` at `points` [3, X, Y, Z], uint8; only where some of the volume may be."""
    mask = np.zeros(points.shape[1:], np.uint8)
    box, step = bounding_box(volume >= 0.25, margin=4), 4
    few = points[:, ::step, ::step, ::step]
    near = np.logical_and.reduce([(axis >= s.start) & (axis <= s.stop) for axis, s in zip(few, box, strict=True)])
    if near.any():
        target = tuple(slice(max(step * (s.start - 1), 0), step * s.stop + 1) for s in bounding_box(near))
        mask[target] = _sample(volume, points[(slice(None), *target)]) >= 0.5
    return mask


def _facts(
    subject: tuple[int, str, int], affine: np.ndarray, lesions: Lesions | None, mask: np.ndarray | None
) -> dict[str, Any]:
    """What the sidecar and the table of participants say."""
    seed, group, index = subject
    volume = 0.0 if mask is None else float(mask.sum()) * abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    return {
        "Simulated": True,
        "Group": group,
        "Seed": seed,
        "Index": index,
        "LesionKind": lesions.kind if lesions else None,
        "LesionContrast": lesions.contrast if lesions else None,
        "LesionVolumeMl": round(volume, 3),
    }
