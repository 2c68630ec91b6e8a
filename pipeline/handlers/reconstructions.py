"""What a method drew: reconstructions on disk, and how near they are to healthy scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator

from pipeline.data import scan_affine
from pipeline.files import write_volume
from pipeline.inferers.chunks import CHUNK, by_chunks
from pipeline.metrics.distributed import gather_rows
from pipeline.metrics.reconstruction import reconstruction_error


class Reconstructions:
    """Writes `output_dir/maps/<scan>_reconstruction.nii.gz`; `figures()` are SSIM and L1 of the healthy test scans.

    Both are means over the slices; L1 is that of the support. The reconstruction is the image that the map is the
    residual of, as the inferer returned it; where it returns none, the network is asked for its
    `reconstruction` at the mean of its latent space.

    Args:
        chunk: slices that the network is asked for at a time.
    """

    def __init__(self, output_dir: str, manifest: dict[str, Any], chunk: int = CHUNK) -> None:
        self.maps = Path(output_dir) / "maps"
        self.manifest = manifest
        self.chunk = chunk
        self.items = {item["id"]: item for item in manifest["items"]}
        self.healthy: dict[str, tuple[list[float], list[float]]] = {}

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.healthy.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def figures(self) -> dict[str, float]:
        """`healthy_ssim` and `healthy_l1`; nan without a healthy scan."""
        scans = sorted(dict(gather_rows([*self.healthy.items()])).items())
        ssim, l1 = ([value for _, values in scans for value in values[i]] for i in range(2))
        return {"healthy_ssim": _mean(ssim), "healthy_l1": _mean(l1)}

    @torch.no_grad()
    def _add(self, engine: SupervisedEvaluator) -> None:
        output: Any = engine.state.output
        batch = output["label"]
        item = self.items[batch["scan"][0]]
        drawn = output["reconstruction"]
        if drawn is None:
            drawn = by_chunks(lambda part: engine.network(part).reconstruction.float(), batch["image"], self.chunk)
        write_volume(self.maps / f"{item['id']}_reconstruction.nii.gz", drawn, scan_affine(self.manifest, item))
        if item["healthy"]:
            error = reconstruction_error(drawn, batch["image"], batch["support"])
            self.healthy[item["id"]] = error.ssim.tolist(), error.l1[error.l1.isfinite()].tolist()


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
