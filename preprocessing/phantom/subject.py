"""One simulated subject: anatomy, appearance, lesions, deformation and scanner put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from preprocessing.phantom.anatomy import Anatomy, bounding_box
from preprocessing.phantom.appearance import draw_contrast, healthy_head
from preprocessing.phantom.deformation import sampling_points
from preprocessing.phantom.fields import generator
from preprocessing.phantom.lesions import Lesions, draw_lesions
from preprocessing.phantom.scanner import draw_scanner, partial_volume, record

LESION = "lesion"
MARGIN = (6.0, 6.0, 30.0)  # mm of air that the scanner sees, so that a turned head keeps its brain


@dataclass(frozen=True)
class Subject:
    """image [X, Y, Z], its affine (voxel → mm, RAS), brain and lesion masks (uint8, `lesion` is None when healthy),
    and `facts`: what is known of the simulation."""

    image: np.ndarray
    affine: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray | None
    facts: dict[str, Any]


def simulate(anatomy: Anatomy, seed: int, group: str, index: int) -> Subject:
    """The subject `index` (from 0) of `group`; it depends on the arguments only."""
    subject = (seed, group, index)
    contrast = draw_contrast(*subject)
    head = healthy_head(anatomy, contrast, subject)
    lesions = draw_lesions(anatomy, subject) if group == LESION else None
    rng = generator(*subject, "signal")
    swelling = [(anatomy.ventricles, float(np.clip(rng.normal(0.8, 1.6), -2, 4)))]
    if lesions is not None:
        head = lesions.paint(head, contrast.grey, contrast.csf + rng.uniform(0.02, 0.2))
        swelling += [(lesions.soft, lesions.mass)] if lesions.mass else []
    scanner = draw_scanner(*subject, anatomy.head_box[1] + MARGIN)
    points = sampling_points(anatomy, scanner, subject, swelling)
    head = partial_volume(head, scanner.thickness, np.linalg.norm(anatomy.affine[:3, :3], axis=0))
    image = record(_sample(head, points), scanner, rng)
    brain = _sample_mask(anatomy.brain, points)
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
