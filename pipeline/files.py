"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table without its index; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    table.to_csv(temporary, index=False)
    temporary.replace(path)


def write_epoch(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add the rows of one epoch, their `epoch`, to a CSV; rows of this and later epochs of a killed run go."""
    earlier = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["epoch"])
    kept = earlier[earlier["epoch"] < rows[0]["epoch"]].to_dict("records")
    write_csv(path, pd.DataFrame([*kept, *rows]))


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON; folders are made."""
    write_text(path, json.dumps(content, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_volume(path: Path, slices: torch.Tensor, affine: np.ndarray) -> None:
    """Write slices [N, 1, H, W] as a NIfTI volume [H, W, N], under a temporary name first.

    Args:
        path: of the volume; folders are made.
        slices: any number type; bool becomes 0 and 1.
        affine: 4×4, voxel to world in mm (RAS), of the pseudo-volume's grid.
    """
    volume = slices[:, 0].permute(1, 2, 0).cpu().numpy()
    if volume.dtype == bool:
        volume = volume.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    nib.save(nib.Nifti1Image(volume, affine), temporary)
    temporary.replace(path)
