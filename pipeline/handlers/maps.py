"""Anomaly maps on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from pipeline.data import scan_affine
from pipeline.files import write_volume


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
