"""The FLAIR-like modality of the sample cohort."""

from __future__ import annotations

import numpy as np

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.appearance import draw_contrast, healthy_head
from preprocessing.phantom.lesions import draw_lesions
from preprocessing.phantom.modality import Modality, Painting, draw_swelling
from preprocessing.phantom.scanner import draw_scanner, record


def paint(anatomy: Anatomy, subject: tuple[int, str, int], diseased: bool, rng: np.random.Generator) -> Painting:
    """A FLAIR-like head, 1 = full scale, with lesions or without."""
    contrast = draw_contrast(*subject)
    head = healthy_head(anatomy, contrast, subject)
    lesions = draw_lesions(anatomy, subject) if diseased else None
    swelling = [draw_swelling(anatomy, rng)]
    if lesions is not None:
        head = lesions.paint(head, contrast.grey, contrast.csf + rng.uniform(0.02, 0.2))
        swelling += [(lesions.soft, lesions.mass)] if lesions.mass else []
    return Painting(head, anatomy.brain, lesions, swelling)


FLAIR = Modality(
    suffix="FLAIR",
    heads="FLAIR-like heads",
    lesions="lesions",
    differs="its own shape, contrast, texture, bias field, noise, voxel grid, orientation and intensity scale",
    margin=(6.0, 6.0, 30.0),  # air, so that a turned head keeps its brain
    paint=paint,
    draw_scanner=draw_scanner,
    record=record,
)
