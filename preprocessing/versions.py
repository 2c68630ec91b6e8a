"""The versions of the packages that a result depends on."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata

PACKAGES = (
    *("lesionless", "antspyx", "deepbet", "intensity-normalization", "monai", "nibabel", "numpy", "scikit-image"),
    *("scipy", "simpleitk", "torch"),
)


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of the packages that the result depends on; `not installed` for a source tree or a missing extra."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
