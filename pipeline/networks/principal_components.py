"""Principal components of normal slices about the mean brain at their place."""

from __future__ import annotations

import torch

from pipeline.contracts import Batch
from pipeline.errors import PipelineError
from pipeline.networks.estimator import Estimator
from pipeline.networks.normative import NormativeAtlas

CHUNK = 64
NOTHING = 1e-5  # of the largest singular value: directions below it are rounding


class PrincipalComponents(Estimator):
    """Projection of a slice on the principal components of normal slices, `μ + Vᵀ V (x − μ)`.

    μ is the mean of the normal brains at the slice's place in the atlas, see NormativeAtlas; `x − μ` is 0 outside the
    brain. Slices are kept until the last one has been seen. V then grows by 64 of them at a time, each with one
    singular value decomposition; this is exact as long as there are no fewer components than slices.

    Args:
        components: how many are kept, ≥ 1.

    Raises:
        PipelineError: no component.

    Source: Saase et al. 2020; Levy and Lindenbaum. Sequential Karhunen-Loeve basis extraction. IEEE TIP 9 (2000).
    """

    slices: torch.Tensor
    heights: torch.Tensor
    basis: torch.Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        if components < 1:
            raise PipelineError(f"components must be at least 1, got {components}")
        self.components = components
        self.normal = NormativeAtlas()
        self.register_buffer("slices", torch.empty(0))
        self.register_buffer("heights", torch.empty(0, dtype=torch.int64))
        self.register_buffer("basis", torch.empty(0))  # V, [components, H · W]

    def partial_fit(self, image: torch.Tensor, batch: Batch) -> None:
        self.normal.partial_fit(image, batch)
        self.slices = torch.cat([self.slices, image]) if len(self.slices) else image
        self.heights = torch.cat([self.heights, batch["z"]])

    def finish(self) -> None:
        self.normal.finish()
        scaled = self.slices.new_empty(0, self.slices[0].numel())
        for part, z in zip(self.slices.split(CHUNK), self.heights.split(CHUNK), strict=True):
            rows = torch.cat([scaled, self._away(part, z)])
            _, values, directions = torch.linalg.svd(rows, full_matrices=False)
            scaled = (values[:, None] * directions)[: self.components]
        lengths = scaled.norm(dim=1)
        kept = lengths > NOTHING * lengths.max()
        self.basis = scaled[kept] / lengths[kept, None]
        self.slices, self.heights = self.slices.new_empty(0), self.heights.new_empty(0)

    def forward(self, image: torch.Tensor, z: torch.Tensor, components: int | None = None) -> torch.Tensor:
        """Projections of slices [N, 1, H, W] at heights z [N] on the first `components`; None: on all that are kept."""
        basis, away = self.basis[:components], self._away(image, z)
        return image - (away - away @ basis.T @ basis).view_as(image)

    def _away(self, image: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """`x − μ` in the brain, [N, H · W]."""
        return ((image - self.normal.mean_at(z)) * (image > 0)).flatten(1)
