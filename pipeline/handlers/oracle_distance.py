"""Surface distance at the threshold of the best Dice, which is known only once all scans are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events

from pipeline.metrics import ScoreHistogram
from pipeline.metrics.curves import best_dice
from pipeline.metrics.distributed import gather_rows
from pipeline.metrics.overlap import SurfaceDistance, surface_distance


class OracleDistance:
    """`figures()`: `hd@oracle` and `hd95@oracle`, means over scans in mm of the masks of the best pooled Dice.

    The maps are read back from what MapWriter wrote, so that memory does not grow with the scans. Scans without a
    lesion, or without a pixel in the mask, do not count. The threshold has seen the labels.

    Source: Bercea et al. 2022, Table 4.
    """

    def __init__(self, histogram: ScoreHistogram, output_dir: str, runs_dir: str) -> None:
        self.histogram = histogram
        self.maps = Path(output_dir) / "maps"
        self.reference = Path(runs_dir) / "reference"
        self.scans: list[str] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.scans.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)

    def figures(self) -> dict[str, float]:
        """The means; nan where no scan counts."""
        threshold = best_dice(self.histogram.pooled()).threshold
        distances = pd.DataFrame(
            [self._distance(scan, threshold) for scan in sorted({*gather_rows(self.scans)})],
            columns=SurfaceDistance._fields,
        )
        return {f"{name}@oracle": float(value) for name, value in distances.mean().items()}

    def _add(self, engine: Engine) -> None:
        output: Any = engine.state.output
        self.scans.append(output["label"]["scan"][0])

    def _distance(self, scan: str, threshold: float) -> SurfaceDistance:
        paths = [self.maps / f"{scan}_anomaly.nii.gz"]
        paths += [self.reference / f"{scan}_{name}.nii.gz" for name in ("lesion", "support")]
        files: list[Any] = [nib.load(path) for path in paths]
        anomaly, lesion, support = (torch.from_numpy(np.asarray(file.dataobj)) for file in files)
        mask, label = (anomaly >= threshold) & (support > 0), (lesion > 0) & (support > 0)
        return surface_distance(mask, label, [float(size) for size in files[0].header.get_zooms()])
