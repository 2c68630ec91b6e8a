"""Lesions: irregular shapes with soft edges in the tissue, with and without a dark core, of low to high contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.fields import generator, noise

# Intensity in units of the grey matter: within its range (a threshold does not see it), above it, far above it.
CONTRASTS = {"faint": (0.88, 0.98), "moderate": (1.12, 1.28), "bright": (1.3, 1.6)}


@dataclass(frozen=True)
class Kind:
    """A family of lesions.

    count: lesions a subject, from–to. ml: volume of all of them together, from–to. grey: how far grey matter takes
    part, 0–1. ragged: strength of the noise in the outline. soft: width of the edge, mm. core: share of the volume
    that is dark. near: preferred distance from the ventricles in mm, `None`: anywhere. mass: push on the
    surroundings, mm.
    """

    count: tuple[int, int]
    ml: tuple[float, float]
    grey: float
    ragged: float
    soft: float
    core: tuple[float, float] = (0.0, 0.0)
    near: float | None = None
    mass: float = 0.0


KINDS = {
    "multiple": Kind(count=(6, 14), ml=(5.0, 24.0), grey=0.15, ragged=0.3, soft=1.6, near=9.0),
    "tumour": Kind(count=(1, 1), ml=(18.0, 52.0), grey=0.6, ragged=0.55, soft=2.5, core=(0.15, 0.4), mass=3.0),
    "stroke": Kind(count=(1, 2), ml=(10.0, 45.0), grey=0.9, ragged=0.6, soft=1.8),
    "small": Kind(count=(1, 3), ml=(0.8, 4.0), grey=0.3, ragged=0.35, soft=1.0, core=(0.15, 0.35), near=14.0),
}
# Kinds and contrasts in turn, so that every cohort of seven has each of them.
PLAN = (
    ("multiple", "bright"),
    ("tumour", "moderate"),
    ("stroke", "faint"),
    ("small", "moderate"),
    ("multiple", "faint"),
    ("tumour", "bright"),
    ("stroke", "moderate"),
)


@dataclass(frozen=True)
class Lesions:
    """soft: membership [X, Y, Z] in [0, 1] on the anatomy's grid. level, core: intensity there, in units of grey
    matter, and membership of the dark core. kind, contrast: names. mass: mm."""

    soft: np.ndarray
    level: np.ndarray
    core: np.ndarray
    kind: str
    contrast: str
    mass: float

    def paint(self, head: np.ndarray, grey: float, dark: float) -> np.ndarray:
        """`head + soft (level · grey − head)`, then the same with `core` and the intensity `dark`."""
        head = head + self.soft * (self.level * np.float32(grey) - head)
        return np.asarray(head + self.core * (np.float32(dark) - head))


class Maps(NamedTuple):
    """The maps of `Lesions` while lesions are put into them, each [X, Y, Z] float32."""

    soft: np.ndarray
    level: np.ndarray
    core: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Maps:
        """Without a lesion."""
        return cls(*(np.zeros(shape, np.float32) for _ in cls._fields))


def draw_lesions(anatomy: Anatomy, subject: tuple[int, str, int]) -> Lesions:
    """The lesions of one subject: kind and contrast follow PLAN, all else is random."""
    rng = generator(*subject, "lesions")
    _, _, index = subject
    name, contrast = PLAN[index % len(PLAN)]
    kind = KINDS[name]
    count = int(rng.integers(kind.count[0], kind.count[1] + 1))
    shares = rng.dirichlet(np.full(count, 2.5))
    volumes = np.maximum(np.exp(rng.uniform(*np.log(kind.ml))) * shares, 0.08)
    maps = Maps.empty(anatomy.brain.shape)
    tissue = lesion_tissue(anatomy, kind.grey * (0.1 if contrast == "faint" else 1.0))
    for centre, volume in zip(lesion_centres(anatomy, kind, count, rng), volumes, strict=True):
        add_lesion(maps, tissue, anatomy, kind, CONTRASTS[contrast], centre, float(volume), rng)
    return Lesions(maps.soft, maps.level, maps.core, name, contrast, kind.mass)


def lesion_tissue(anatomy: Anatomy, grey: float) -> np.ndarray:
    """Share of each voxel that a lesion can change: white matter, and grey matter in part; never CSF."""
    share = np.clip((anatomy.white + np.float32(grey) * anatomy.grey) / 255, 0, 1)
    depth = ndimage.uniform_filter(anatomy.brain.astype(np.float32), 5) > 0.99  # not at the very rim of the brain
    return np.asarray(share * depth, dtype=np.float32)


def lesion_centres(anatomy: Anatomy, kind: Kind, count: int, rng: np.random.Generator) -> np.ndarray:
    """Voxels [count, 3]: in white matter, near the ventricles if the kind wants it, most of them at mid-height."""
    step = 3
    weight = ndimage.uniform_filter(anatomy.white[::step, ::step, ::step] / 255.0, 3) ** 2
    edge = step * anatomy.spacing
    if kind.near is not None:
        distance = ndimage.distance_transform_edt(anatomy.ventricles[::step, ::step, ::step] < 128) * edge
        weight = weight * np.exp(-distance / kind.near)
    box = anatomy.brain_box[2]
    height = (np.arange(weight.shape[2]) * step - (box.start + box.stop) / 2) * anatomy.spacing
    weight = weight * (np.exp(-0.5 * (height / 11.0) ** 2) + 0.02)
    chosen = rng.choice(weight.size, count, p=(weight / weight.sum()).ravel())
    return np.stack(np.unravel_index(chosen, weight.shape), axis=1) * step


def add_lesion(
    maps: Maps,
    tissue: np.ndarray,
    anatomy: Anatomy,
    kind: Kind,
    contrast: tuple[float, float],
    centre: np.ndarray,
    volume: float,
    rng: np.random.Generator,
) -> None:
    """Put one lesion of `volume` ml at `centre` into the maps."""
    edge = anatomy.spacing
    radius = (volume * 1000 * 3 / (4 * np.pi)) ** (1 / 3) / edge
    box = tuple(slice(max(int(c - 2.2 * radius - 4), 0), int(c + 2.2 * radius + 5)) for c in centre)
    part = tissue[box]
    shape = _shape(part.shape, centre - [s.start for s in box], radius, kind.ragged, edge, rng)
    soft = _membership(shape, part, volume * 1000 / edge**3, kind.soft / edge / radius) * part
    core_ml = volume * rng.uniform(*kind.core)
    rugged = shape + 0.25 * noise(rng, part.shape, [max(radius / 2, 2), max(radius / 4, 1.5)])
    core = _membership(rugged, (soft > 0.5) * 1.0, core_ml * 1000 / edge**3, kind.soft / edge / radius) * soft
    level = rng.uniform(*contrast) * (1 + 0.06 * noise(rng, part.shape, [max(radius / 2, 2), 3.0]))
    maps.level[box] = np.where(soft > maps.soft[box], level, maps.level[box])
    maps.soft[box] = np.maximum(maps.soft[box], soft)
    maps.core[box] = np.maximum(maps.core[box], core if core_ml else 0)


def _shape(
    shape: tuple[int, ...], centre: np.ndarray, radius: float, ragged: float, edge: float, rng: np.random.Generator
) -> np.ndarray:
    """A function that falls from 1 at the centre through 0 near the radius: an oblique ellipsoid, ragged by noise."""
    axes = np.exp(rng.normal(0, 0.22, 3))
    matrix = (
        np.diag(1 / (axes / np.prod(axes) ** (1 / 3))) @ Rotation.from_quat(rng.standard_normal(4)).as_matrix() / radius
    )
    grid = np.stack(np.meshgrid(*[np.arange(n) - c for n, c in zip(shape, centre, strict=True)], indexing="ij"))
    rows = [sum(matrix[i, j] * grid[j] for j in range(3)) for i in range(3)]
    distance = np.sqrt(np.asarray(sum(row**2 for row in rows)))
    waves = noise(rng, shape, [max(w, 1.5 / edge) for w in (radius * 0.9, radius * 0.45, radius * 0.22)], decay=0.6)
    return np.asarray(1 - distance + ragged * waves, dtype=np.float32)


def _membership(shape: np.ndarray, part: np.ndarray, voxels: float, softness: float) -> np.ndarray:
    """Sigmoid of `shape` around the level that leaves `voxels` voxels of tissue (`part` > 0.5) above it."""
    values = np.sort(shape[part > 0.5])[::-1]
    if not len(values):
        return np.zeros_like(shape)
    level = values[min(int(voxels), len(values) - 1)]
    return np.asarray(1 / (1 + np.exp(-np.clip((shape - level) / max(softness, 1e-3) * 2, -30, 30))), dtype=np.float32)
