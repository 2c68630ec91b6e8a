"""How well two segmentations of the brain's tissues agree."""

from __future__ import annotations

import torch

from pipeline.prior import CLASSES

TISSUES = CLASSES[:3]


def tissue_dice(found: torch.Tensor, expected: torch.Tensor) -> dict[str, float]:
    """Dice of each tissue, `2 |A ∩ B| / (|A| + |B|)`; nan where neither volume has it.

    Args:
        found: labels of any shape, numbered as `CLASSES`: 0 CSF, 1 GM, 2 WM, 3 background.
        expected: labels of the same shape.

    >>> tissue_dice(torch.tensor([0, 1, 3, 3]), torch.tensor([0, 1, 1, 3]))
    {'dice_CSF': 1.0, 'dice_GM': 0.6666666666666666, 'dice_WM': nan}
    """
    figures = {}
    for label, name in enumerate(TISSUES):
        a, b = found == label, expected == label
        total = int(a.sum() + b.sum())
        figures[f"dice_{name}"] = 2 * int((a & b).sum()) / total if total else float("nan")
    return figures
