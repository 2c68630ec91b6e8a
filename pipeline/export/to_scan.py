"""The map of a raw scan, from the grid of the network to the grid of the scan as it was taken."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from pipeline.predict.native import Grid, to_scan
from pipeline.predict.volume import ScoredVolume


class MapToScand(MapTransform):
    """Scores and brain [2, H, W, S] → the map [1, X, Y, Z] on the scan's own grid, by one interpolation.

    The inverse of `RegisterToAtlasd` and `ResampleToAtlasd` of the preparation, as in `lesionless predict`, see
    `pipeline.predict.native.to_scan`. The file that `SaveImaged` writes has the name of the scan.

    Args:
        keys: of scores and brain, by `pipeline.export.scorer_network.SliceScores`.
        affine: voxel of the network's grid → mm of the atlas (RAS), 4×4.
        scan: key of the scan, whose `id` names the file.
        taken: key of the image [1, X, Y, Z] on the scan's own grid.
        transform: key of the matrix from mm of the atlas to mm of the scan (RAS), 4×4.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        affine: Sequence[Sequence[float]],
        scan: str = "scan",
        taken: str = "taken",
        transform: str = "transform",
    ) -> None:
        super().__init__(keys)
        self.affine = np.array(affine, float)
        self.scan, self.taken, self.transform = scan, taken, transform

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        taken: MetaTensor = data[self.taken]
        grid = Grid(tuple(taken.shape[1:]), np.asarray(taken.affine, float))
        for key in self.key_iterator(result):
            volume = self._scored(torch.as_tensor(data[key]).numpy())
            found = to_scan(volume, grid, np.asarray(data[self.transform], float)).scores
            meta = {"filename_or_obj": f"{data[self.scan].id}.nii.gz"}
            result[key] = MetaTensor(torch.from_numpy(found)[None], affine=taken.affine, meta=meta)
        return result

    def _scored(self, found: np.ndarray) -> ScoredVolume:
        """From the lowest to the highest slice that was scored."""
        scores, brain = found[0], found[1] > 0
        kept = np.flatnonzero(brain.any(axis=(0, 1)))
        part = slice(kept[0], kept[-1] + 1)
        start = np.eye(4)
        start[2, 3] = part.start
        return ScoredVolume(scores[..., part], brain[..., part], brain[..., part], self.affine @ start)
