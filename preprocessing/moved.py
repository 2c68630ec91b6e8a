"""Names in configurations of version 0.1, and where they are now: a user's file and an old data set stay readable."""

from __future__ import annotations

from typing import Any

OLD_TO_NEW = {
    "preprocessing.normalization.FlairLiked": "preprocessing.intensity.contrast.FlairLiked",
    "preprocessing.bias.": "preprocessing.intensity.bias.",
    "preprocessing.histogram.": "preprocessing.intensity.histogram.",
    "preprocessing.hounsfield.": "preprocessing.intensity.hounsfield.",
    "preprocessing.jpeg.": "preprocessing.intensity.jpeg.",
    "preprocessing.labels.": "preprocessing.io.labels.",
    "preprocessing.loading.": "preprocessing.io.loading.",
    "preprocessing.normalization.": "preprocessing.intensity.normalization.",
    "preprocessing.nyul.": "preprocessing.intensity.nyul.",
    "preprocessing.pseudo_volume.": "preprocessing.dataset.pseudo_volume.",
    "preprocessing.registration.": "preprocessing.space.registration.",
    "preprocessing.resampling.": "preprocessing.space.resampling.",
    "preprocessing.skull_strip.": "preprocessing.strippers.skull_strip.",
    "preprocessing.tissues.": "preprocessing.prior.tissues.",
}


def with_new_names(part: Any) -> Any:
    """A configuration, or a part of one, with every `_target_` where it is today."""
    if isinstance(part, dict):
        return {key: _new(value) if key == "_target_" else with_new_names(value) for key, value in part.items()}
    return [with_new_names(value) for value in part] if isinstance(part, list) else part


def _new(target: Any) -> Any:
    old = next((old for old in OLD_TO_NEW if isinstance(target, str) and target.startswith(old)), None)
    return target if old is None else target.replace(old, OLD_TO_NEW[old], 1)
