"""The tissues of a healthy brain, by Atropos."""

from __future__ import annotations

import tempfile
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.bias import coarse_copy
from preprocessing.space.ants import load_ants
from preprocessing.space.geometry import largest, resample
from preprocessing.space.grid import Volume

TISSUES = ("CSF", "GM", "WM")  # the labels 1, 2, 3, as in the tissue labels of SRI-24; 0 is outside the brain
GM, WM = 2, 3
# Percentiles of the brain that k-means starts from: from equal steps between darkest and brightest, as ANTs takes them,
# it may split fluid in two and join grey and white matter, which are close on FLAIR.
START = (5, 50, 95)


class SegmentTissued(Transform):
    """`image` (or `corrected`), `brain` [1, X, Y, Z] → `tissues` [1, X, Y, Z]: 0 outside, 1 CSF, 2 GM, 3 WM.

    A mixture of three Gaussians with a Markov random field over the 26 neighbours, started from k-means, and that from
    the percentiles 5, 50 and 95 of the brain (ANTs); the classes are named by their mean intensity, in the order that
    the contrast of the scan has. White matter is one piece: what has its class elsewhere becomes grey matter. On FLAIR
    that is the surface of the cortex, where grey matter mixes with dark fluid to the intensity of white matter.

    Avants et al. 2011, An open source multivariate framework for n-tissue segmentation, Neuroinformatics 9(4).

    Args:
        order: contrast → the three tissues from dark to bright.
        spacing_mm: of the copy that Atropos sees; its probabilities are interpolated to the grid of the image, which is
            the finest that is taken.
        iterations: of expectation and maximisation.
        smoothing: weight of the random field.
        share: smallest and largest share of the brain that a tissue may have.

    Raises:
        PreprocessingError: `order` does not have the contrast of the scan, the brain does not have three classes, or
            one of them is too small or too large.
    """

    def __init__(
        self,
        order: Mapping[str, Sequence[str]],
        spacing_mm: float,
        iterations: int,
        smoothing: float,
        share: Sequence[float],
    ) -> None:
        self.order = order
        self.spacing_mm = spacing_mm
        self.options = {"m": f"[{smoothing},1x1x1]", "c": f"[{iterations},0]", "r": "0"}  # r: no random seed
        self.share = share

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        scan, image = data["scan"], data.get("corrected", data["image"])
        order = self.ranks(scan.contrast)
        brain = data["brain"][0].numpy() > 0
        try:
            classes = _classes(Volume.of(image), brain, self.spacing_mm, self.options)
        except Exception as error:  # ANTs raises no class of its own
            raise PreprocessingError(f"{scan.image}: no three classes in the brain ({error})") from error
        labels = one_white_piece(np.array([0, *order], np.uint8)[classes])
        shares = np.bincount(labels[brain], minlength=len(TISSUES) + 1)[1:] / np.count_nonzero(brain)
        if shares.min() < self.share[0] or shares.max() > self.share[1]:
            found = ", ".join(f"{name} {share:.2f}" for name, share in zip(TISSUES, shares, strict=True))
            raise PreprocessingError(
                f"{scan.image}: shares of the brain {found}; each must be {self.share[0]:g} to {self.share[1]:g}"
            )
        tissues = MetaTensor(torch.from_numpy(labels)[None], affine=data["image"].affine)
        return {**data, "tissues": tissues}

    def ranks(self, contrast: str) -> list[int]:
        """The labels of the tissues from dark to bright.

        Raises:
            PreprocessingError: `order` does not have this contrast.
        """
        if contrast not in self.order:
            raise PreprocessingError(
                f"no order of tissue intensities is known for {contrast}; available: {', '.join(sorted(self.order))}"
            )
        return [TISSUES.index(name) + 1 for name in self.order[contrast]]


def one_white_piece(labels: np.ndarray) -> np.ndarray:
    """Labels [X, Y, Z] with grey matter for all white matter but its largest piece, by faces."""
    white = labels == WM
    return np.where(white & ~largest(white), np.uint8(GM), labels)


def tissue_dice(found: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """`2 |A ∩ B| / (|A| + |B|)` of each tissue in two label volumes of one shape; NaN where neither has it."""
    result = {}
    for label, name in enumerate(TISSUES, start=1):
        a, b = found == label, reference == label
        total = np.count_nonzero(a) + np.count_nonzero(b)
        result[name] = 2 * np.count_nonzero(a & b) / total if total else float("nan")
    return result


def _classes(image: Volume, brain: np.ndarray, spacing: float, options: Mapping[str, str]) -> np.ndarray:
    """The most probable class of each voxel [X, Y, Z]: 0 outside the brain, 1 to 3 by rising mean intensity."""
    (box,) = ndimage.find_objects(brain.astype(np.uint8))
    inside, part = brain[box], Volume(image.array[box], image.affine)
    edge = float(np.linalg.norm(image.affine[:3, :3], axis=0).min())
    coarse, mask = coarse_copy(part, inside, max(spacing, edge))
    probabilities = _atropos(coarse.array, mask, options)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    matrix = np.linalg.inv(coarse.affine) @ image.affine
    fine = [resample(one[tuple(nearest)], matrix, inside.shape, mode="nearest") for one in probabilities]
    classes = np.zeros(brain.shape, np.uint8)
    classes[box] = np.where(inside, 1 + np.argmax(fine, axis=0), 0)
    return classes


def _atropos(image: np.ndarray, mask: np.ndarray, options: Mapping[str, str]) -> list[np.ndarray]:
    """The probability of each class [X, Y, Z], by rising mean intensity."""
    ants = load_ants()
    centres = "x".join(f"{centre:.6g}" for centre in np.percentile(image[mask], START))
    with _temporary_folder():
        found = ants.atropos(
            a=ants.from_numpy(image),
            x=ants.from_numpy(mask.astype(np.float32)),
            i=f"kmeans[{len(TISSUES)},{centres}]",
            priorweight=0,
            **options,
        )
        probabilities = [one.numpy() for one in found["probabilityimages"]]
    if len(probabilities) != len(TISSUES) or not all(one[mask].any() for one in probabilities):
        raise ValueError("one is empty")
    return sorted(probabilities, key=lambda one: np.average(image[mask], weights=one[mask]))


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """A folder for the probability images that ANTs leaves in the system's temporary folder."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="lesionless-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
