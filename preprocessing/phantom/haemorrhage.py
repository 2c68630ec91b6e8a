"""Acute haemorrhages of the five kinds, in Hounsfield units: where each lies and what shape it has there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from preprocessing.phantom.anatomy import Anatomy
from preprocessing.phantom.fields import generator, noise
from preprocessing.phantom.hounsfield import AIR
from preprocessing.phantom.lesions import Kind, Lesions, Maps, add_lesion, lesion_centres, lesion_tissue

DENSITIES = {"moderate": (55.0, 64.0), "dense": (66.0, 78.0)}  # HU of clotted blood
BLEEDING = Kind(count=(1, 1), ml=(6.0, 45.0), grey=0.6, ragged=0.35, soft=1.2, mass=2.5)  # in the tissue
# Kinds in turn, so that every cohort of five has each of them.
PLAN = (
    ("intraparenchymal", "dense"),
    ("subdural", "moderate"),
    ("intraventricular", "dense"),
    ("epidural", "dense"),
    ("subarachnoid", "moderate"),
)


@dataclass(frozen=True)
class Head:
    """Where blood can go: the anatomy, `depth` (see `cranial_depth`), and mm from the centre of the brain [3, X, Y, Z].

    side: unit vector [3] from there to the side that bleeds.
    """

    anatomy: Anatomy
    depth: np.ndarray
    places: np.ndarray
    side: np.ndarray


def draw_haemorrhage(anatomy: Anatomy, depth: np.ndarray, subject: tuple[int, str, int]) -> Lesions:
    """The haemorrhage of one subject: kind and density follow PLAN, all else is random; `level` is HU − AIR."""
    rng = generator(*subject, "haemorrhage")
    _, _, index = subject
    name, density = PLAN[index % len(PLAN)]
    soft = SHAPES[name](_head(anatomy, depth, rng), rng).astype(np.float32)
    clots = noise(rng, soft.shape, [8 / anatomy.spacing, 4 / anatomy.spacing])
    level = np.float32(rng.uniform(*DENSITIES[density]) - AIR) + 2 * clots
    mass = BLEEDING.mass if name == "intraparenchymal" else 0.0
    return Lesions(soft, level, np.zeros_like(soft), name, density, mass)


def oedema(lesions: Lesions, anatomy: Anatomy) -> np.ndarray:
    """Share [X, Y, Z] of the white matter's water that a bleeding in the tissue adds around itself."""
    wide = ndimage.gaussian_filter(lesions.soft, 5 / anatomy.spacing)
    return np.asarray(np.clip(2 * wide, 0, 1) * (1 - lesions.soft) * anatomy.white / 255 * (lesions.mass > 0))


def _head(anatomy: Anatomy, depth: np.ndarray, rng: np.random.Generator) -> Head:
    """With a side that is left or right, turned forwards or backwards by up to 50°, and nearly level."""
    centre = np.array(ndimage.center_of_mass(anatomy.brain))
    places = np.stack(np.meshgrid(*map(np.arange, depth.shape), indexing="ij", sparse=False)).astype(np.float32)
    places = (places - centre[:, None, None, None].astype(np.float32)) * np.float32(anatomy.spacing)
    turn, lift = np.radians(rng.uniform(-50, 50)), np.radians(rng.uniform(-8, 12))
    side = np.array([rng.choice((-1, 1)) * np.cos(turn), np.sin(turn), np.tan(lift)])
    return Head(anatomy, depth, places, side / np.linalg.norm(side))


def _edge(distance: np.ndarray, width: float = 0.7) -> np.ndarray:
    """Membership of what is `distance` mm inside a surface: ½ on it, soft over `width` mm."""
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / width, -30, 30))))


def _surface_point(head: Head) -> np.ndarray:
    """mm [3] from the centre of the brain to the inner table, along `side`."""
    steps = np.arange(0, 150, 0.5)
    centre = -head.places[:, 0, 0, 0] / head.anatomy.spacing
    voxels = centre[:, None] + head.side[:, None] * steps / head.anatomy.spacing
    depth = ndimage.map_coordinates(head.depth, voxels, order=1, mode="nearest")
    return np.asarray(head.side * steps[max(int(np.argmax(depth <= 0)) - 1, 0)])


def _distance(head: Head, point: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(sum((head.places[i] - np.float32(point[i])) ** 2 for i in range(3))))


def _intraparenchymal(head: Head, rng: np.random.Generator) -> np.ndarray:
    """A ragged clot in white matter that takes grey matter with it."""
    maps = Maps.empty(head.depth.shape)
    (centre,) = lesion_centres(head.anatomy, BLEEDING, 1, rng)
    volume = float(np.exp(rng.uniform(*np.log(BLEEDING.ml))))
    tissue = lesion_tissue(head.anatomy, BLEEDING.grey)
    add_lesion(maps, tissue, head.anatomy, BLEEDING, (1.0, 1.0), centre, volume, rng)
    return maps.soft


def _intraventricular(head: Head, rng: np.random.Generator) -> np.ndarray:
    """The ventricles filled from the back, where blood sinks to in a patient who lies, one side more than the other."""
    fluid = head.anatomy.ventricles / np.float32(255)
    x, y, z = head.places
    height = -y + np.float32(rng.uniform(-0.5, 0.5)) * x - 0.3 * z
    level = np.quantile(height[fluid > 0.5], 1 - rng.uniform(0.3, 0.8))
    return fluid * _edge(height - level)


def _subarachnoid(head: Head, rng: np.random.Generator) -> np.ndarray:
    """Sulci and cisterns near one place of the surface, fading away from it."""
    anatomy = head.anatomy
    tissue = (anatomy.grey.astype(np.float32) + anatomy.white) / 255
    fluid = np.clip(1 - tissue, 0, 1) * (head.depth > 0) * (1 - anatomy.ventricles / np.float32(255))
    waves = noise(rng, head.depth.shape, [20 / anatomy.spacing, 10 / anatomy.spacing])
    distance = _distance(head, 0.85 * _surface_point(head))
    return np.clip(1.4 * fluid, 0, 1) * _edge(rng.uniform(28, 42) - distance + 5 * waves, 2.5)


def _epidural(head: Head, rng: np.random.Generator) -> np.ndarray:
    """A lens between skull and brain: what a ball of radius (c²/4 + h²)/(2h) cuts off the cavity; chord c, height h."""
    height, chord = rng.uniform(11, 19), rng.uniform(48, 68)
    radius = (chord**2 / 4 + height**2) / (2 * height)
    inside = radius - _distance(head, _surface_point(head) + head.side * (radius - height))
    return _edge(inside) * (head.depth > 0)


def _subdural(head: Head, rng: np.random.Generator) -> np.ndarray:
    """A crescent along one side of the skull, of thickness h (1 − (angle / widest angle)²); it keeps to its side."""
    thickness, widest = rng.uniform(6, 10), np.radians(rng.uniform(50, 68))
    length = np.maximum(np.sqrt((head.places**2).sum(axis=0)), 1e-3)
    cosine = np.tensordot(head.side.astype(np.float32), head.places, axes=1) / length
    angle = np.arccos(np.clip(cosine, -1, 1)) / widest
    within = np.clip(1 - angle**2, 0, 1)
    (towards, _, _), (x, _, _) = head.side, head.places
    same_side = _edge(np.sign(towards) * x - 3)
    return _edge(thickness * within - head.depth) * (head.depth > 0) * (within > 0) * same_side


SHAPES: dict[str, Callable[[Head, np.random.Generator], np.ndarray]] = {
    "intraparenchymal": _intraparenchymal,
    "intraventricular": _intraventricular,
    "subarachnoid": _subarachnoid,
    "epidural": _epidural,
    "subdural": _subdural,
}
