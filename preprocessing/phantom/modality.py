"""What a kind of scanner makes of one anatomy: the door between the cohort and its modalities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.lesions import Lesions
from preprocessing.phantom.scanner import Scanner


@dataclass(frozen=True)
class Painting:
    """A subject before it is scanned, all on the anatomy's grid.

    head: signal [X, Y, Z], float32, 0 = air. brain: what brain extraction is to find [X, Y, Z], uint8. lesions: `None`
    when healthy. swelling: maps [X, Y, Z] of what is wider or narrower than in the anatomy, each with its push in mm.
    """

    head: np.ndarray
    brain: np.ndarray
    lesions: Lesions | None
    swelling: Sequence[tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Modality:
    """A modality of the sample cohort.

    Args:
        suffix: of BIDS file names.
        heads: what the README calls the scans.
        lesions: what the README calls their lesions.
        differs: in what subjects differ, for the README.
        margin: mm beyond the head's box that the scanner sees along each axis.
        paint: anatomy, (seed, group, index), with lesions or not, random numbers → Painting.
        draw_scanner: seed, group, index, edges of the field of view [3] in mm → Scanner.
        record: signal on the scanner's grid, scanner, random numbers → what is stored.
    """

    suffix: str
    heads: str
    lesions: str
    differs: str
    margin: tuple[float, float, float]
    paint: Callable[[Anatomy, tuple[int, str, int], bool, np.random.Generator], Painting]
    draw_scanner: Callable[[int, str, int, np.ndarray], Scanner]
    record: Callable[[np.ndarray, Scanner, np.random.Generator], np.ndarray]


def draw_swelling(anatomy: Anatomy, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Wider or narrower ventricles."""
    return anatomy.ventricles, float(np.clip(rng.normal(0.8, 1.6), -2, 4))
