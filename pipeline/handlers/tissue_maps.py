"""The tissue maps that SPA draws on the way, and how well they agree with a segmentation (Bercea 2022, Fig. 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from ignite import distributed as idist
from ignite.engine import Engine, Events
from monai.engines import SupervisedEvaluator
from nibabel.processing import resample_from_to

from pipeline.data import scan_affine
from pipeline.files import write_csv, write_volume
from pipeline.inferers.chunks import CHUNK, by_chunks
from pipeline.metrics.distributed import gather_rows
from pipeline.metrics.tissues import TISSUES, tissue_dice
from pipeline.prior import CLASSES, ShapePrior


class TissueMaps:
    """Writes the maps of every test scan as NIfTI, and `output_dir/tissues.csv`: Dice of each tissue of each scan.

    Files: `output_dir/maps/<scan>_label-{CSF,GM,WM}_probseg.nii.gz`. The tissue of a pixel is the largest of the four
    maps. It is compared, over all pixels, with the scan's own segmentation `<scan>_space-<space>_dseg.nii.gz` (0
    background, 1 CSF, 2 GM, 3 WM, any grid in the atlas space) where there is one, else with the largest map of the
    prior at its slices; the column `reference` says with which. `figures()` are the means over healthy scans.

    Args:
        prior: see `load_prior`. segmentations: folder of the scans' own segmentations. chunk: slices that the
            network is asked for at a time.
    """

    def __init__(
        self,
        output_dir: str,
        manifest: dict[str, Any],
        prior: ShapePrior,
        segmentations: str,
        chunk: int = CHUNK,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.manifest = manifest
        self.prior = prior
        self.segmentations = Path(segmentations)
        self.chunk = chunk
        self.items = {item["id"]: item for item in manifest["items"]}
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.STARTED, lambda _: self.rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._add)
        engine.add_event_handler(Events.COMPLETED, self._write)

    def figures(self) -> dict[str, float]:
        """`tissue_dice_{CSF,GM,WM}@<reference>`, means over healthy scans."""
        table = self._table()
        table = table[table["healthy"]]
        means = table.groupby("reference")[[f"dice_{name}" for name in TISSUES]].mean()
        return {f"tissue_{key}@{name}": float(row[key]) for name, row in means.iterrows() for key in means.columns}

    @torch.no_grad()
    def _add(self, engine: SupervisedEvaluator) -> None:
        output: Any = engine.state.output
        batch = output["label"]
        item = self.items[batch["scan"][0]]
        maps = by_chunks(lambda part: engine.network(part).mu.float().cpu(), batch["image"], self.chunk)
        affine = scan_affine(self.manifest, item)
        for label, name in enumerate(TISSUES):
            path = self.output_dir / "maps" / f"{item['id']}_label-{name}_probseg.nii.gz"
            write_volume(path, maps[:, [label]], affine)
        reference, expected = self._expected(item["id"], batch["z"], affine)
        row = {"scan": item["id"], "healthy": item["healthy"], "reference": reference}
        self.rows.append(row | tissue_dice(maps.argmax(dim=1), expected))

    def _expected(self, scan: str, z: torch.Tensor, affine: np.ndarray) -> tuple[str, torch.Tensor]:
        path = self.segmentations / f"{scan}_space-{self.manifest['space']}_dseg.nii.gz"
        if not path.is_file():
            return "prior", self.prior.mean[self.prior.rows_of(z.cpu())].argmax(dim=1)
        size = self.manifest["image_size"]
        there: Any = resample_from_to(nib.load(path), ((size, size, len(z)), affine), order=0)
        labels = torch.from_numpy(np.asarray(there.dataobj).astype(np.int64)).permute(2, 0, 1)
        return "own", (labels - 1) % len(CLASSES)  # background, 0 on disk, is the last class

    def _table(self) -> pd.DataFrame:
        return pd.DataFrame(gather_rows(self.rows)).drop_duplicates("scan").sort_values("scan")

    def _write(self, engine: Engine) -> None:
        table = self._table()
        if idist.get_rank() != 0:
            return
        write_csv(self.output_dir / "tissues.csv", table)
