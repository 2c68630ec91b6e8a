"""Several anomaly maps as one: their p-values among healthy pixels, joined."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.contracts import Batch, MapInferer, PlacedInferer
from pipeline.errors import PipelineError
from pipeline.networks.estimator import Estimator
from pipeline.networks.normal_scores import KNOTS, knots_for, normal_score, table_of

PIXELS = 2**21  # of held-out normals, at most


class FusedScores(Estimator):
    """Stouffer's joint p-value of a pixel's scores in several maps, as a standard normal score.

    `Z = T(Σ_k w_k T_k(s_k))` with `T_k = Φ⁻¹ ∘ F_k`, F_k the share of healthy pixels with a lower score in map k, and
    T the same for the sum, so that `1 − Φ(Z)` of healthy pixels is uniform whatever the maps have in common. Beyond
    the healthy pixels T goes on as a straight line, so that higher scores stay higher. The weights are
    `w ∝ max(R⁻¹ 1, 0)`, R the correlation of the `T_k(s_k)` of healthy pixels: maps that say the same share a vote.

    Healthy pixels are held out: of the normal scans, each half is scored by networks that were fitted on the other.
    In the end the networks are fitted on all. Slices are kept until the last one has been seen.

    Args:
        maps: inferers by name, `(slices, network) -> Scored`, or placed ones.
        networks: those that inferers need, by the same names; an Estimator among them is fitted, others stay.

    Raises:
        PipelineError: no map, a network of no map, or, in `finish`, fewer than two normal scans.

    Source: Stouffer et al. The American soldier (1949), with the weights of a common signal in correlated scores.
    """

    slices: Tensor
    places: Tensor
    knots: Tensor
    levels: Tensor
    weights: Tensor

    def __init__(
        self, maps: Mapping[str, MapInferer | PlacedInferer], networks: Mapping[str, nn.Module] | None = None
    ) -> None:
        super().__init__()
        unknown = sorted(set(networks or {}) - set(maps))
        if not maps or unknown:
            raise PipelineError(f"fused maps: {', '.join(maps) or 'none'}; networks without a map: {unknown or 'none'}")
        self.maps = dict(maps)
        self.networks = nn.ModuleDict(networks or {})
        self.register_buffer("slices", torch.empty(0))
        self.register_buffer("places", torch.empty(0, 3, dtype=torch.int64))  # scan, row and height of each slice
        self.register_buffer("knots", torch.empty(0))
        self.register_buffer("levels", torch.empty(0, KNOTS))  # scores at the knots, of each map and of the sum
        self.register_buffer("weights", torch.empty(0))

    def partial_fit(self, image: Tensor, batch: Batch) -> None:
        scans = torch.tensor([zlib.crc32(scan.encode()) for scan in batch["scan"]], device=image.device)
        self.slices = torch.cat([self.slices, image]) if len(self.slices) else image
        self.places = torch.cat([self.places, torch.stack([scans, batch["row"], batch["z"]], dim=1)])

    def finish(self) -> None:
        scans = self.places[:, 0].unique()
        if len(scans) < 2:
            raise PipelineError(f"fused maps need at least 2 normal scans to learn from, got {len(scans)}")
        halves = [scans[0::2], scans[1::2]]
        step = max(1, math.ceil(int((self.slices > 0).sum()) / PIXELS))
        parts = [self._scores(self._fitted(there), scan, step) for here, there in zip(halves, halves[::-1], strict=True)
                 for scan in here]  # fmt: skip
        healthy = torch.cat(parts, dim=1)
        self.knots = knots_for(healthy.shape[1]).to(healthy)
        self.levels = torch.stack([table_of(scores, self.knots) for scores in healthy])
        normal = self._normal(healthy)
        common = torch.linalg.pinv(torch.atleast_2d(torch.corrcoef(normal.double()))).sum(dim=1).clamp_min(0)
        self.weights = (common / common.sum()).to(normal)
        self.levels = torch.cat([self.levels, table_of(self.weights @ normal, self.knots)[None]])
        self.networks = self._fitted(scans)
        self.slices, self.places = self.slices.new_empty(0), self.places.new_empty(0, 3)

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        """Z of the slices of a volume.

        Args:
            image: [N, 1, H, W] in [0, 1], from bottom to top; the brain is where it is positive.
            z: heights of the slices in the atlas, [N].

        Returns:
            [N, 1, H, W], standard normal among healthy pixels, 0 outside the brain.
        """
        brain = image > 0
        found = torch.stack([one[brain] for one in self._maps(self.networks, image, z)])
        fused = torch.zeros_like(image)
        fused[brain] = normal_score(self.weights @ self._normal(found), self.levels[-1], self.knots)
        return fused

    def _normal(self, scores: Tensor) -> Tensor:
        """`T_k(s_k)` of scores [maps, pixels]."""
        pairs = zip(scores, self.levels[: len(scores)], strict=True)
        return torch.stack([normal_score(of_map, table, self.knots) for of_map, table in pairs])

    def _maps(self, networks: Mapping[str, Any] | nn.ModuleDict, image: Tensor, z: Tensor) -> Iterator[Tensor]:
        for name, inferer in self.maps.items():
            network = networks[name] if name in networks else nn.Identity()
            of_place = inferer.at(z) if isinstance(inferer, PlacedInferer) else inferer
            yield of_place(image, network).map.float()

    def _scores(self, networks: nn.ModuleDict, scan: Tensor, step: int) -> Tensor:
        """Scores of each `step`-th brain pixel of a normal scan, [maps, pixels]."""
        image, z = self._of(scan[None])
        brain = image > 0
        return torch.stack([one[brain][::step] for one in self._maps(networks, image, z)])

    def _of(self, scans: Tensor) -> tuple[Tensor, Tensor]:
        """Slices and heights of these scans, in the order of the data set."""
        rows = torch.isin(self.places[:, 0], scans).nonzero()[:, 0]
        rows = rows[self.places[rows, 1].argsort()]
        return self.slices[rows], self.places[rows, 2]

    def _fitted(self, scans: Tensor) -> nn.ModuleDict:
        networks = deepcopy(self.networks)
        image, z = self._of(scans)
        for network in networks.values():
            if isinstance(network, Estimator):
                network.partial_fit(image, Batch(image=image, brain=image > 0, z=z))
                network.finish()
        return networks
