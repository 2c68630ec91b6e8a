"""Mean and standard deviation of normal brains at each place of the atlas."""

from __future__ import annotations

import torch
from monai.networks.layers import GaussianFilter

from pipeline.contracts import Batch
from pipeline.errors import PipelineError
from pipeline.networks.estimator import Estimator

MEAN, VARIANCE = 0.4, 0.01  # of the intensity in a prepared brain, where no normal brain says otherwise


class NormativeAtlas(Estimator):
    """Standard score of each pixel among the normal brains at its place, `(x − μ) / σ`.

    With the normal slices x_i, their brains b_i and heights z_i, `w_i(z) = exp(−(z_i − z)² / 2 s²)`, the in-plane
    Gaussian G and a prior of weight c, mean 0.4 and variance 0.01:

    `μ = (G ∗ Σ w b x + 0.4 c) / (G ∗ Σ w b + c)`, `σ² = (G ∗ Σ w b (x − μ_i)² + 0.01 c) / (G ∗ Σ w b + c)`,

    where μ_i is μ at the slice's own height. Without smoothing and prior, the scores of the normal slices have mean 0
    and standard deviation 1 at each place. Heights beyond the normal slices' are scored as the nearest that is known.

    Args:
        sigma_px: standard deviation of G, in pixels; 0 = none.
        sigma_slices: s, in slices of the atlas (1 mm in SRI-24); 0 = none.
        prior: c, in normal brains.

    Raises:
        PipelineError: a negative number.

    Source: the voxelwise normative model of classical morphometry; smoothing and prior are this project's.
    """

    moments: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, sigma_px: float = 1.2, sigma_slices: float = 3.0, prior: float = 0.5) -> None:
        super().__init__()
        if min(sigma_px, sigma_slices, prior) < 0:
            raise PipelineError(f"sigmas and prior must be ≥ 0, got {sigma_px}, {sigma_slices} and {prior}")
        self.sigma_px = sigma_px
        self.sigma_slices = sigma_slices
        self.prior = prior
        # [heights, 3, H, W]: Σ b, Σ b x, Σ b x²; then [heights, 1, H, W]
        self.register_buffer("moments", torch.empty(0, dtype=torch.float64))
        for name in ("mean", "deviation"):
            self.register_buffer(name, torch.empty(0))

    def partial_fit(self, image: torch.Tensor, batch: Batch) -> None:
        brain, heights = batch["brain"].double(), batch["z"].clamp_min(0)
        x = image.double()
        missing = int(heights.max()) + 1 - len(self.moments)
        if missing > 0:
            more = x.new_zeros(missing, 3, *x.shape[-2:])
            self.moments = torch.cat([self.moments.to(more), more]) if len(self.moments) else more
        self.moments.index_add_(0, heights, torch.cat([brain, brain * x, brain * x**2], dim=1))

    def finish(self) -> None:
        count, total, squares = self.moments.split(1, dim=1)
        weight = self._smooth(count) + self.prior
        mean = (self._smooth(total) + self.prior * MEAN) / weight.clamp_min(1e-9)
        spread = (squares - 2 * mean * total + mean**2 * count).clamp_min(0)
        variance = (self._smooth(spread) + self.prior * VARIANCE) / weight.clamp_min(1e-9)
        self.mean, self.deviation = mean.float(), variance.sqrt().clamp_min(1e-6).float()
        self.moments = self.moments.new_empty(0)

    def forward(self, image: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Scores [N, 1, H, W] of slices [N, 1, H, W] at the heights z [N]; 0 where the image is not positive."""
        at = z.clamp(0, len(self.mean) - 1)
        return (image - self.mean[at]) / self.deviation[at] * (image > 0)

    def mean_at(self, z: torch.Tensor) -> torch.Tensor:
        """μ at the heights z [N], [N, 1, H, W]."""
        return self.mean[z.clamp(0, len(self.mean) - 1)]

    def _smooth(self, planes: torch.Tensor) -> torch.Tensor:
        """`Σ_z' w(z') G ∗ planes(z')` of planes [heights, 1, H, W]."""
        if self.sigma_slices > 0:
            heights = torch.arange(len(planes), device=planes.device, dtype=planes.dtype) / self.sigma_slices
            planes = torch.einsum("zy,ychw->zchw", torch.exp(-((heights[:, None] - heights) ** 2) / 2), planes)
        return GaussianFilter(2, self.sigma_px).to(planes)(planes) if self.sigma_px > 0 else planes
