"""Hounsfield units of a healthy head: the brain by tissue, the skull as a shell around it, the rest by the T1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from preprocessing.phantom.anatomy import Anatomy, bounding_box
from preprocessing.phantom.fields import generator, noise, random_field

AIR = -1000.0  # HU; a signal is HU − AIR, so that 0 is air
_SKIN, _HOLLOW = 20, 32  # of the T1 of 255: less is air outside the head, bone or air inside it
_FAT, _MUSCLE = -90.0, 45.0


def cranial_depth(anatomy: Anatomy) -> np.ndarray:
    """mm [X, Y, Z] to the inner table of the skull, above 0 inside; 20 and −20 far from it.

    The cavity is the brain with its clefts closed (6 mm), and 1 mm of fluid around it.
    """
    edge = anatomy.spacing
    box = bounding_box(anatomy.brain, margin=int(np.ceil(24 / edge)))
    brain = np.pad(anatomy.brain[box] > 0, 1)
    dilated = ndimage.distance_transform_edt(~brain, edge) <= 7
    cavity = ndimage.distance_transform_edt(dilated, edge) > 6
    inner, outer = (ndimage.distance_transform_edt(mask, edge) for mask in (cavity, ~cavity))
    depth = np.where(cavity, inner - edge / 2, edge / 2 - outer)  # the table lies half-way between two voxels
    result = np.full(anatomy.brain.shape, -20, np.float32)
    result[box] = np.clip(depth[1:-1, 1:-1, 1:-1], -20, 20)
    return result


def healthy_signal(anatomy: Anatomy, depth: np.ndarray, subject: tuple[int, str, int]) -> np.ndarray:
    """HU − AIR of a head [X, Y, Z], float32: scalp and face, skull with diploe, brain, and a rim that is too bright.

    The rim is what is left of beam hardening after correction: it rises by some HU towards the bone.

    Args:
        depth: see `cranial_depth`.
    """
    rng = generator(*subject, "hounsfield")
    hu = _soft_tissue(anatomy)
    _add_skull(hu, anatomy, depth, rng)
    box = bounding_box(depth > -1)
    inside = np.clip(depth[box] / anatomy.spacing + 0.5, 0, 1)
    brain = _brain(anatomy, box, rng) + rng.uniform(1, 4) * np.exp(-np.clip(depth[box], 0, None) / 8)
    hu[box] += inside * (brain - hu[box])
    return np.asarray(hu - AIR, dtype=np.float32)


def _soft_tissue(anatomy: Anatomy) -> np.ndarray:
    """Bright T1 is fat, grey T1 muscle; dark T1 inside the head is air where it is wide, thin bone elsewhere."""
    t1 = anatomy.head
    solid = np.stack(
        [ndimage.binary_fill_holes(plane) for plane in np.moveaxis((t1 > _SKIN) | (anatomy.brain > 0), 2, 0)]
    )
    labels, _ = ndimage.label(np.moveaxis(solid, 0, 2))
    head = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    levels = np.interp(np.arange(256), (0, _HOLLOW, 70, 130, 255), (_MUSCLE, _MUSCLE, 35, _FAT, -110)).astype(
        np.float32
    )
    hu = np.where(head, levels[t1], np.float32(AIR))
    dark = head & (t1 < _HOLLOW) & (anatomy.brain == 0)
    wide = ndimage.binary_opening(dark, iterations=max(round(3 / anatomy.spacing), 1))
    hu[dark] = 350
    hu[wide] = -950
    return hu


def _add_skull(hu: np.ndarray, anatomy: Anatomy, depth: np.ndarray, rng: np.random.Generator) -> None:
    """Two tables of 1 mm and more with diploe between them, 5–9 mm in all, thicker at the base; open below."""
    edge, box = anatomy.spacing, bounding_box(depth > -20)
    outside = -depth[box]
    height = np.arange(outside.shape[2]) / outside.shape[2]
    thick = rng.uniform(5.5, 7.5) * (1 + 0.12 * random_field(rng, outside.shape, 40 / edge))
    thick *= 1 + 0.5 * np.clip(1 - height / 0.3, 0, 1)
    place = outside / thick  # 0 at the inner table, 1 at the outer one
    diploe = np.clip(2.2 - 5 * np.abs(place - 0.5) + 0.3 * noise(rng, outside.shape, [6 / edge, 3 / edge]), 0, 1)
    bone = rng.uniform(1000, 1400) - rng.uniform(400, 600) * diploe
    shell = np.clip((thick - outside) / edge + 0.5, 0, 1) * (outside > -edge) * ~_foramen(anatomy)[box]
    hu[box] += shell * (bone - hu[box])


def _foramen(anatomy: Anatomy) -> np.ndarray:
    """Where the brain stem leaves the skull: 14 mm around the lowest brain."""
    x, y, z = np.nonzero(anatomy.brain[:, :, : anatomy.brain_box[2].start + 2 + max(round(3 / anatomy.spacing), 1)])
    opening = np.zeros(anatomy.brain.shape, bool)
    rows, columns = np.ogrid[tuple(slice(n) for n in anatomy.brain.shape[:2])]
    near = (rows - x.mean()) ** 2 + (columns - y.mean()) ** 2 < (14 / anatomy.spacing) ** 2
    opening[near, : int(z.max()) + 1] = True
    return opening


def _brain(anatomy: Anatomy, box: tuple[slice, ...], rng: np.random.Generator) -> np.ndarray:
    """HU of brain and fluid: CSF 5–12, white matter 27–31, grey matter 37–41; falx and calcified plexus."""
    csf, grey, white, ventricles = (
        volume[box].astype(np.float32) / 255
        for volume in (anatomy.csf, anatomy.grey, anatomy.white, anatomy.ventricles)
    )
    edge, shape = anatomy.spacing, csf.shape
    fluid = 1 - grey - white  # also between brain and skull, where there is no tissue
    csf_level, grey_level, white_level = rng.uniform((5, 37, 27), (12, 41, 31))
    texture = noise(rng, shape, [9 / edge, 5 / edge, max(2.5 / edge, 1.5)], decay=0.7)
    hu = fluid * csf_level + grey * grey_level + white * white_level + texture * (1 - fluid)
    hu -= 3 * anatomy.detail[box].astype(np.float32) / 127 * (1 - fluid)
    middle = (anatomy.head_box[0][0] - anatomy.affine[0, 3]) / anatomy.affine[0, 0] - box[0].start
    falx = np.exp(-(((np.arange(shape[0]) - middle) * edge) ** 2))[:, None, None].astype(np.float32)
    hu += rng.uniform(25, 40) * falx * fluid * (1 - ventricles)
    plexus = ventricles * np.clip(noise(rng, shape, [7 / edge, 4 / edge]) - 1.2, 0, 1)
    return np.asarray(hu + rng.choice((0.0, 120.0)) * plexus)
