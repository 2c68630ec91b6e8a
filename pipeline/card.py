"""The protocol card: what has to be equal for two result rows to stand in one table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

PACKAGES = ("lesionless", "monai", "torch")


def protocol_card(
    manifest: dict[str, Any],
    erosion_mm: float,
    preset: str,
    postprocessing: Sequence[Any] = (),
    erosion_px: int | None = None,
) -> dict[str, Any]:
    """Protocol of a run on a prepared dataset, as columns `card_*` of its result row.

    Args:
        manifest: of the dataset. erosion_mm: rim of the brain left out of the support, in mm.
        preset: the paper's settings, or the names that presets gave.
        postprocessing: steps that every map goes through, named by their `str()`.
        erosion_px: side of the square that erodes the brain instead, see SliceDataset.
    """
    split = sorted((item["split"], item["subject"]) for item in manifest["items"])
    return {
        "dataset": manifest["name"],
        "dataset_hash": manifest["hash"][:12],
        "split_hash": hashlib.sha256(json.dumps(split).encode()).hexdigest()[:12],
        "simulated": bool(manifest["simulated"]),
        "modality": manifest["modality"],
        "slices": manifest["slices"],
        "image_size": manifest["image_size"],
        "support": _support(erosion_mm, erosion_px),
        "min_lesion_share": manifest.get("min_lesion_share", 0.0),
        "postprocessing": ", ".join(map(str, postprocessing)) or "none",
        "preset": preset,
        **({"space": "none"} if manifest.get("space") == "none" else {}),  # its slices were not registered
        "versions": release(),
    }


def release() -> str:
    """Versions of the packages that decide the numbers: rows of two releases do not stand in one table."""
    return " ".join(f"{name} {version(name)}" for name in PACKAGES)


def _support(erosion_mm: float, erosion_px: int | None) -> str:
    if erosion_px is not None:
        return f"brain eroded {erosion_px} x {erosion_px} px"
    return f"brain eroded {erosion_mm:g} mm" if erosion_mm else "brain"
