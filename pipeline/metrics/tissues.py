"""How well two segmentations of the brain's tissues agree."""

from __future__ import annotations

import torch

from pipeline.prior import CLASSES

TISSUES = CLASSES[:3]


def tissue_dice(found: torch.Tensor, expected: torch.Tensor) -> dict[str, float]:
    """Dice of each tissue of two label volumes (numbers as `CLASSES`); nan where neither has it."""
    figures = {}
    for label, name in enumerate(TISSUES):
        a, b = found == label, expected == label
        total = int(a.sum() + b.sum())
        figures[f"dice_{name}"] = 2 * int((a & b).sum()) / total if total else float("nan")
    return figures
