"""Intensities by the standard histogram of a cohort (Nyúl & Udupa)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from monai.transforms import Transform

from preprocessing.errors import PreprocessingError
from preprocessing.intensity.histogram import existing, prepared
from preprocessing.intensity.normalization import brain_values, into_unit_range
from preprocessing.io.files import replaced

LOW, HIGH = 0.05, 0.6  # of the first and last landmark; above them is room for bright lesions
_CUT = 0.01  # the share beyond the last landmark, percentile 99


class NyulNormalized(Transform):
    """`image` [1, X, Y, Z] → the standard scale of a cohort inside `brain`, 0 outside.

    Piecewise linear between percentiles 1, 10, 20 … 90, 99 of the brain, each moved to its mean over the cohort, and
    straight on beyond them (Nyúl & Udupa 1999, Nyúl, Udupa & Zhang 2000; by intensity-normalization).
    Checks as in `into_unit_range`.

    Args:
        standard: the file of `fit_standard`.
        floor: smallest value of a brain voxel.
        clipped: largest share of brain voxels at 1, and also at the floor.

    Raises:
        PreprocessingError: the file is no standard histogram, two landmarks of the brain are equal, or too many voxels
            are clipped.
    """

    def __init__(self, standard: str, floor: float, clipped: float) -> None:
        self.standard = existing(standard, "standard", "a file of `python -m preprocessing nyul`")
        self.floor = floor
        self.clipped = clipped

    @cached_property
    def _nyul(self) -> Any:
        nyul = _normalizer()
        try:
            nyul.load_standard_histogram(self.standard)
            good = (
                np.array_equal(nyul.percentiles, _normalizer().percentiles) and np.isfinite(nyul.standard_scale).all()
            )
        except (OSError, ValueError, IndexError, TypeError, EOFError) as error:
            raise PreprocessingError(f"{self.standard}: no standard histogram ({error})") from error
        if not good or not (np.diff(nyul.standard_scale) > 0).all():
            raise PreprocessingError(f"{self.standard}: no standard histogram (its landmarks do not rise)")
        return nyul

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        from intensity_normalization import create_image

        nyul, values = self._nyul, brain_values(data)
        landmarks = np.percentile(values, nyul.percentiles)
        if (equal := np.flatnonzero(np.diff(landmarks) <= 0)).size:
            low, high = nyul.percentiles[equal[0]], nyul.percentiles[equal[0] + 1]
            raise PreprocessingError(
                f"{data['scan'].image}: percentiles {low:g} and {high:g} of the brain are both {landmarks[equal[0]]:g}"
            )
        scaled = np.zeros(data["image"].shape[1:], np.float32)
        inside = data["brain"][0].numpy() > 0
        scaled[inside] = nyul.transform(create_image(values), create_image(np.ones_like(values))).get_data()
        return into_unit_range(data, scaled, self.floor, self.clipped, self.clipped)


def fit_standard(images: Sequence[Path], out: Path) -> None:
    """Write Nyúl's standard histogram of a cohort: rows of values and of percentiles, as NumPy.

    Each brain is mapped so that its percentiles 1 and 99 become 0.05 and 0.6; the landmarks are averaged. One scan is
    in memory at a time. The scale of the scans does not matter, so prepared ones serve, if they are not clipped.

    Args:
        images: prepared healthy scans, in (0, 1] inside the brain and 0 outside.
        out: a `.npy` file.

    Raises:
        PreprocessingError: no scan, or one that is not prepared or clipped.
    """
    if not images:
        raise PreprocessingError("no healthy training scan to take a standard histogram from")
    if out.suffix != ".npy":
        raise PreprocessingError(f"{out}: the name of a standard histogram ends in .npy")
    nyul = _normalizer()
    nyul.fit_population(_Brains(images))
    with replaced(out) as temporary:
        nyul.save_standard_histogram(str(temporary))


class _Brains(Sequence[Any]):
    """The brains of prepared scans as the library wants them, each read when it is asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        from intensity_normalization import create_image

        return create_image(_unclipped(self.paths[index]))


def _unclipped(path: Path) -> np.ndarray:
    array = prepared(path)
    values = array[array > 0]
    share = float((values >= 1).mean())
    if share > _CUT:
        raise PreprocessingError(f"{path}: {share:.3f} of the brain voxels are at 1; at most {_CUT:g}")
    return values


def _normalizer() -> Any:
    try:
        from intensity_normalization import NyulNormalizer
    except ImportError as error:
        raise PreprocessingError("Nyúl's method needs intensity-normalization: pip install lesionless[nyul]") from error
    return NyulNormalizer(output_min_value=LOW, output_max_value=HIGH)
