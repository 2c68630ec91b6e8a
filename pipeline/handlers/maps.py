"""Anomaly maps on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from ignite.engine import Engine, Events

from pipeline.data import scan_affine


def write_volume(path: Path, slices: torch.Tensor, affine: np.ndarray) -> None:
    """Write slices [N, 1, H, W] as a NIfTI volume [H, W, N], under a temporary name first.

    Args:
        affine: 4×4, voxel to world in mm (RAS), of the pseudo-volume's grid.
    """
    volume = slices[:, 0].permute(1, 2, 0).cpu().numpy()
    if volume.dtype == bool:
        volume = volume.astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    nib.save(nib.Nifti1Image(volume, affine), temporary)
    temporary.replace(path)


class MapWriter:
    """Writes every scan's anomaly map, and once for all methods its image, lesion and support, on one grid a scan.

    Maps are zero outside the brain. Files: `output_dir/maps/<scan>_anomaly.nii.gz`,
    `runs_dir/reference/<scan>_{image,lesion,support}.nii.gz`.
    """

    def __init__(self, output_dir: str, runs_dir: str, manifest: dict[str, Any]) -> None:
        self.maps = Path(output_dir) / "maps"
        self.reference = Path(runs_dir) / "reference"
        self.manifest = manifest
        self.items = {item["id"]: item for item in manifest["items"]}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        output: Any = engine.state.output
        batch = output["label"]
        scan = batch["scan"][0]
        affine = scan_affine(self.manifest, self.items[scan])
        anomaly = output["pred"] * batch["brain"]
        write_volume(self.maps / f"{scan}_anomaly.nii.gz", anomaly, affine)
        for key in ("image", "lesion", "support"):
            write_volume(self.reference / f"{scan}_{key}.nii.gz", batch[key], affine)
