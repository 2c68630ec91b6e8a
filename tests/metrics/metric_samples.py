"""Maps of every kind that a method may give, with labels that depend on them a little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pipeline.metrics import ScoreHistogram

PIXELS = 4000
Shape = Callable[[np.random.Generator, np.ndarray], np.ndarray]

MAPS: dict[str, Shape] = {
    "random": lambda rng, lesion: rng.random(len(lesion)) + 0.2 * lesion,
    "negative": lambda rng, lesion: -rng.random(len(lesion)) - 5 + lesion,
    "both signs": lambda rng, lesion: rng.normal(size=len(lesion)) + lesion,
    "above one": lambda rng, lesion: 1e4 * rng.random(len(lesion)) + 1e3 * lesion,
    "tied": lambda rng, lesion: rng.integers(0, 9, len(lesion)) / 8 + 0.25 * lesion,
    "uint8": lambda rng, lesion: np.clip(rng.integers(0, 256, len(lesion)) + 20 * lesion, 0, 255) / 255,
    "binary": lambda rng, lesion: (rng.random(len(lesion)) < 0.2 + 0.5 * lesion).astype(float),
    "constant": lambda rng, lesion: np.full(len(lesion), 0.5),
    "rectified": lambda rng, lesion: np.maximum(rng.normal(size=len(lesion)) + lesion, 0),
    "zeros of both signs": lambda rng, lesion: np.where(rng.random(len(lesion)) < 0.5, -0.0, 0.0) + 0.0 * lesion,
    "denormal": lambda rng, lesion: 1e-41 * (rng.normal(size=len(lesion)) + lesion),
    "huge range": lambda rng, lesion: 10.0 ** (rng.uniform(-38, 37, len(lesion)) + 10 * lesion).clip(-38, 37),
    "narrow": lambda rng, lesion: 1 + 1e-6 * (rng.random(len(lesion)) + lesion),
}


def sample(name: str, seed: int = 0, pixels: int = PIXELS, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Scores (float32) and labels (bool)."""
    rng = np.random.default_rng(seed)
    lesion = rng.random(pixels) < share
    return MAPS[name](rng, lesion).astype(np.float32), lesion


def counted(
    scores: np.ndarray, lesion: np.ndarray, scan: str = "a", bits: int = 20, voxel_ml: float | None = None
) -> ScoreHistogram:
    """Histogram of one scan."""
    histogram = ScoreHistogram(bits)
    pixels = torch.from_numpy(np.asarray(scores, np.float32)), torch.from_numpy(np.asarray(lesion, bool))
    histogram.update(*(part.reshape(1, 1, -1) for part in pixels), None, [scan], voxel_ml)
    return histogram
