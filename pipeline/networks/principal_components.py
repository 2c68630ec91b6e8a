"""Principal components of normal slices, learnt batch by batch."""

from __future__ import annotations

import math

import torch

from pipeline.contracts import Batch
from pipeline.errors import PipelineError
from pipeline.networks.estimator import Estimator


class PrincipalComponents(Estimator):
    """Projection of a slice on the principal components of normal slices, `μ + Vᵀ V (x − μ)`.

    Each batch is joined to what is known by one singular value decomposition; the mean may move (Ross et al. 2008,
    as scikit-learn's IncrementalPCA). It is exact as long as there are no fewer components than slices.

    Args:
        components: how many are kept, ≥ 1.

    Raises:
        PipelineError: no component.

    Source: Ross, Lim, Lin, Yang. Incremental learning for robust visual tracking. IJCV 77 (2008).
    """

    seen: torch.Tensor
    mean: torch.Tensor
    scaled: torch.Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        if components < 1:
            raise PipelineError(f"components must be at least 1, got {components}")
        self.components = components
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.empty(0))  # [H · W]
        self.register_buffer("scaled", torch.empty(0))  # [components, H · W]: V, each row times its singular value

    def partial_fit(self, image: torch.Tensor, batch: Batch) -> None:
        slices = image.flatten(1)
        seen, new = int(self.seen), len(slices)
        mean = slices.mean(dim=0)
        rows = [slices - mean]
        if seen:
            rows += [self.scaled, math.sqrt(seen * new / (seen + new)) * (self.mean - mean)[None]]
            mean = torch.lerp(self.mean, mean, new / (seen + new))
        _, values, directions = torch.linalg.svd(torch.cat(rows), full_matrices=False)
        self.scaled = (values[:, None] * directions)[: self.components]
        self.mean, self.seen = mean, self.seen + new

    def forward(self, image: torch.Tensor, components: int | None = None) -> torch.Tensor:
        """Projection of slices [N, 1, H, W] on the first `components`; None: on all that are kept."""
        scaled = self.scaled[:components]
        basis = scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1e-12)
        known = scaled.norm(dim=1) > 1e-5 * scaled.norm(dim=1).max()  # rounding makes directions of what has none
        basis = basis[known]
        away = image.flatten(1) - self.mean
        return (self.mean + away @ basis.T @ basis).view_as(image)
