"""Patches of foreign tissue without a seam."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import laplace
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def seamless(image: np.ndarray, foreign: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The image that has the gradients of `foreign` inside a mask and the values of `image` outside it.

    Inside, it is `foreign + h`, h the harmonic function (`Δh = 0`) that is `image − foreign` on the border.

    Args:
        image: [H, W].
        foreign: [H, W].
        inside: [H, W] bool; the frame's outermost pixels count as outside.

    Source: Pérez, Gangnet, Blake. Poisson image editing. SIGGRAPH 2003, Eq. 4; as a training task Tan et al. 2021.

    Example:
        >>> brighter = np.arange(25.0).reshape(5, 5)
        >>> inside = np.pad(np.ones((3, 3), bool), 1)
        >>> np.allclose(seamless(brighter, brighter + 7, inside), brighter)  # of a constant nothing is left
        True
    """
    inside = inside.copy()
    inside[[0, -1]] = inside[:, [0, -1]] = False
    places = np.argwhere(inside)
    if not len(places):
        return image
    number = np.full(image.shape, -1)
    number[inside] = np.arange(len(places))
    difference = np.where(inside, 0, image - foreign)
    known = laplace(difference.astype(float))[inside]  # sum of the neighbours outside, as inside there is 0
    pairs = [(number[inside], number[tuple((places + step).T)]) for step in STEPS]
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    linked = columns >= 0
    rows, columns = (np.concatenate([one[linked], np.arange(len(places))]) for one in (rows, columns))
    values = np.concatenate([np.full(linked.sum(), -1.0), np.full(len(places), 4.0)])
    result = image.astype(float)
    result[inside] = foreign[inside] + spsolve(coo_array((values, (rows, columns))).tocsc(), known)
    return result
