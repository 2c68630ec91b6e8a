"""Tissue maps on the grid of the SRI-24 atlas: the real anatomy that simulated heads are made of.

Bayes with three Gaussian classes of the atlas T1 and the ICBM152 maps (nilearn) as prior, voxel by voxel:
`p(k | x) ∝ prior_k · N(T1(x); mean_k, sd_k)`, k = CSF, grey matter, white matter.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from preprocessing.errors import PreprocessingError
from preprocessing.io.files import write_bytes
from preprocessing.space.atlas import Atlas

VERSION = 1  # of the maps; another number makes the cached file out of date
TISSUES = "tissues.npz"

# Affine registration of the ICBM152 T1 to the atlas (ANTs, Mattes mutual information, all voxels): atlas mm → MNI mm.
# Fixed here, so that the cohort does not depend on a registration.
SRI_TO_MNI = np.array(
    [
        [1.0833, 0.0093, 0.0043, 127.536],
        [0.0117, 1.0240, 0.2242, -143.290],
        [0.0033, -0.2316, 1.1302, -51.747],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
CLASS_MEAN = (282.0, 512.0, 718.0)  # of the stripped atlas T1, from EM with the same prior
CLASS_SD = (70.0, 77.0, 40.0)
FAT = 2200.0  # intensity of the brightest fat in the whole-head T1 that still differs from the rest


@dataclass(frozen=True)
class Anatomy:
    """Maps [X, Y, Z] on one grid: uint8, 255 = 1 (`detail`: int8, 127 = 1), and the grid's affine (mm, RAS).

    head: T1 of scalp, skull, face and eyes. brain: mask. csf, grey, white: probabilities, their sum is `brain`.
    detail: what the T1 shows beyond three classes. ventricles: the CSF inside the brain.
    """

    affine: np.ndarray
    head: np.ndarray
    brain: np.ndarray
    csf: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    detail: np.ndarray
    ventricles: np.ndarray

    @property
    def spacing(self) -> float:
        """Edge of a voxel in mm; voxels are cubes."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    @cached_property
    def brain_box(self) -> tuple[slice, ...]:
        """The brain's bounding box and two voxels around it."""
        return bounding_box(self.brain, margin=2)

    @cached_property
    def head_box(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre (mm) and edges (mm) of the box around the head."""
        ends = np.array([(s.start, s.stop - 1) for s in bounding_box((self.head > 30) | (self.brain > 0))])
        centre = self.affine[:3, :3] @ ends.mean(axis=1) + self.affine[:3, 3]
        return centre, np.abs(self.affine[:3, :3]) @ np.ptp(ends, axis=1)

    def save(self, path: Path) -> None:
        """Write the maps to `path` atomically."""
        stream = io.BytesIO()
        np.savez_compressed(stream, version=np.array(VERSION), **{f.name: getattr(self, f.name) for f in fields(self)})
        write_bytes(path, stream.getvalue())

    @classmethod
    def load(cls, path: Path) -> Anatomy:
        """Read the maps; raises PreprocessingError for a file that `save` of this version did not write."""
        try:
            with np.load(path) as content:
                if int(content["version"]) == VERSION:
                    return cls(**{f.name: content[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise PreprocessingError(f"{path}: not a file of tissue maps ({error})") from error
        raise PreprocessingError(f"{path}: tissue maps of another version; remove the file")


def bounding_box(volume: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Slices of the smallest box around the voxels of `volume` that are not 0, which must exist, `margin` wider."""
    ends = [np.flatnonzero(volume.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    return tuple(slice(max(int(low) - margin, 0), int(high) + 1 + margin) for low, high in ends)


def ensure_tissues(atlas: Atlas, spare: Path) -> Path:
    """The file of the tissue maps of `atlas`, made once (some seconds) and kept beside it.

    Where the atlas may not be written to, the file goes to the folder `spare`.
    """
    path = atlas.folder / TISSUES
    with contextlib.suppress(PreprocessingError):
        Anatomy.load(path)
        return path
    anatomy = build_anatomy(atlas)
    try:
        anatomy.save(path)
    except OSError:
        path = spare / TISSUES
        anatomy.save(path)
    return path


def build_anatomy(atlas: Atlas) -> Anatomy:
    """Segment the stripped T1 of `atlas`; see the head of this module."""
    image = nib.Nifti1Image.from_filename(atlas.brain)
    t1 = image.get_fdata(dtype=np.float32)
    brain = np.asanyarray(nib.Nifti1Image.from_filename(atlas.mask).dataobj) > 0
    posterior = _posterior(t1, brain, _prior(image.affine, t1.shape))
    csf, grey, white = posterior
    expected = np.tensordot(np.array(CLASS_MEAN, np.float32), posterior, axes=1)
    detail = ndimage.gaussian_filter(np.where(brain, t1 - expected, 0) / 150.0, 0.6)
    head = nib.Nifti1Image.from_filename(atlas.head).get_fdata(dtype=np.float32)
    return Anatomy(
        affine=image.affine,
        head=_bytes(np.clip(head - 30.0, 0, None) / FAT),  # the average head has a faint ghost in the air
        brain=brain.astype(np.uint8),
        csf=_bytes(csf),
        grey=_bytes(grey),
        white=_bytes(white),
        detail=np.round(np.clip(detail, -1, 1) * 127).astype(np.int8),
        ventricles=_bytes(_ventricles(csf, brain)),
    )


def _prior(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """[3, X, Y, Z]: CSF, grey and white matter of ICBM152, blurred by 1.5 mm since an affine does not join gyri."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    maps = []
    for template in (load_mni152_gm_template(resolution=1), load_mni152_wm_template(resolution=1)):
        matrix = np.linalg.inv(template.affine) @ SRI_TO_MNI @ affine
        volume = ndimage.affine_transform(template.get_fdata(dtype=np.float32), matrix, output_shape=shape, order=1)
        maps.append(ndimage.gaussian_filter(volume, 1.5))
    grey, white = maps
    return np.stack([np.clip(1 - grey - white, 0, 1), grey, white]) + np.float32(0.05)


def _posterior(t1: np.ndarray, brain: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """[3, X, Y, Z], 0 outside the brain. Bright voxels at its rim (dura, vessels) count as CSF with a little grey."""
    posterior = np.zeros_like(prior)
    x = t1[brain]
    for k, (mean, sd) in enumerate(zip(CLASS_MEAN, CLASS_SD, strict=True)):
        posterior[k, brain] = prior[k, brain] * np.exp(-0.5 * ((x - mean) / sd) ** 2) / sd
    posterior[:, brain] /= posterior[:, brain].sum(axis=0) + 1e-12
    rim = brain & (ndimage.distance_transform_edt(brain) < 2.5) & (t1 > CLASS_MEAN[1] + 0.5 * CLASS_SD[1])
    posterior[:, rim] = np.array([0.8, 0.2, 0.0], np.float32)[:, None]
    return posterior


def _ventricles(csf: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Probability of CSF in and next to the wide, deep pieces of CSF: eroded, so that sulci do not hang on to them."""
    depth = ndimage.distance_transform_edt(brain)
    labels, _ = ndimage.label(ndimage.binary_erosion(csf > 0.5, iterations=2))
    deep = np.unique(labels[(depth > 36) & (labels > 0)])
    near = ndimage.binary_dilation(np.isin(labels, deep) & (labels > 0), iterations=4)
    return np.where(near & (depth > 22), csf, 0)


def _bytes(volume: np.ndarray) -> np.ndarray:
    return np.round(np.clip(volume, 0, 1) * 255).astype(np.uint8)
