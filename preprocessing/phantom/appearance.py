"""FLAIR-like intensities of a healthy head: CSF dark, white matter in the middle, grey matter a little brighter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.fields import generator, noise, random_field


@dataclass(frozen=True)
class Contrast:
    """Intensities of one subject, 1 = full scale; the mean of grey and white matter varies, and so does their gap.

    detail: how much of the T1's detail shows. scalp, gamma: brightness of the tissue outside the brain. caps, septum,
    choroid, flow: strength of what is bright in healthy brains, 0 = not there. limbic: of regional grey matter.
    """

    csf: float
    grey: float
    white: float
    detail: float
    scalp: float
    gamma: float
    caps: float
    septum: float
    choroid: float
    flow: float
    limbic: float


def draw_contrast(seed: int, group: str, index: int) -> Contrast:
    """The contrast of one subject. Bright caps, septum, plexus and flow occur in either group."""
    rng = generator(seed, group, index, "contrast")
    grey = 0.60 + rng.normal(0, 0.015)
    there = rng.random(4) < (0.6, 0.6, 0.7, 0.5)
    caps, septum, choroid, flow = map(float, there * rng.uniform(0.3, 1.0, 4) * (0.40, 0.28, 0.45, 0.55))
    return Contrast(
        csf=rng.uniform(0.04, 0.1),
        grey=grey,
        white=grey - rng.uniform(0.10, 0.17),
        detail=rng.uniform(0.5, 1.2),
        scalp=rng.uniform(0.8, 1.4),
        gamma=rng.uniform(0.8, 1.2),
        caps=caps,
        septum=septum,
        choroid=choroid,
        flow=flow,
        limbic=rng.uniform(0.03, 0.08),
    )


def healthy_head(anatomy: Anatomy, contrast: Contrast, subject: tuple[int, str, int]) -> np.ndarray:
    """FLAIR-like head [X, Y, Z] on the anatomy's grid, float32."""
    rng = generator(*subject, "appearance")
    scalp = (contrast.scalp * (np.arange(256) / 255.0) ** contrast.gamma).astype(np.float32)
    head = np.minimum(scalp[anatomy.head], 1.6)
    box = anatomy.brain_box
    inside = anatomy.brain[box] > 0
    head[box] = np.where(inside, _brain(anatomy, contrast, box, rng), head[box])
    return head


def _brain(anatomy: Anatomy, contrast: Contrast, box: tuple[slice, ...], rng: np.random.Generator) -> np.ndarray:
    csf, grey, white, ventricles = (
        volume[box].astype(np.float32) / 255
        for volume in (anatomy.csf, anatomy.grey, anatomy.white, anatomy.ventricles)
    )
    edge, shape = anatomy.spacing, csf.shape
    detail = _detail(anatomy.detail[box].astype(np.float32) / 127, csf, contrast)
    regional = random_field(rng, shape, 26 / edge)
    texture = noise(rng, shape, [9 / edge, 5 / edge, max(2.5 / edge, 1.5)], decay=0.7)
    grey_level = contrast.grey * (1 + contrast.limbic * regional + 0.015 * texture)
    white_level = contrast.white * (1 - 0.02 * regional + 0.025 * texture)
    image = csf * contrast.csf + grey * grey_level + white * white_level + detail
    image += contrast.grey * _bright(ventricles, csf, contrast, edge, rng)
    return np.clip(image, 0.02, None).astype(np.float32)


def _detail(detail: np.ndarray, csf: np.ndarray, contrast: Contrast) -> np.ndarray:
    """Brighter T1 than expected means white matter, darker T1 means CSF; either is darker here."""
    slope = np.where(detail > 0, np.float32(-0.11), np.float32(0.14))
    return contrast.detail * detail * (slope * (1 - csf) + 0.12 * csf)


def _bright(
    ventricles: np.ndarray, csf: np.ndarray, contrast: Contrast, edge: float, rng: np.random.Generator
) -> np.ndarray:
    """What healthy brains show brighter than their tissue, in units of the grey matter.

    Caps at the horns of the ventricles, the septum between them, the plexus inside, and flow of the CSF.
    """
    shape = csf.shape
    near, wide = (ndimage.gaussian_filter(ventricles, sigma / edge) for sigma in (1.6, 3.5))
    along = np.abs(np.linspace(-1, 1, shape[1], dtype=np.float32))[None, :, None]
    caps = (1 - csf) * np.clip(wide * 2.2, 0, 1) * np.clip(2.6 * along - 0.3, 0, 1)
    septum = (1 - csf) * np.clip(near * 2.2 - 0.9, 0, 1)
    plexus = ventricles * np.clip(noise(rng, shape, [9 / edge, 5 / edge]) - 0.9, 0, 1)
    flow = csf * np.clip(random_field(rng, shape, 14 / edge) - 0.9, 0, 1)
    patchy = np.clip(1 + 0.5 * random_field(rng, shape, 16 / edge), 0, 2)
    bright = contrast.caps * caps * patchy + contrast.septum * septum + contrast.choroid * plexus + contrast.flow * flow
    return np.asarray(bright)
