"""What is verified, exported and served: a prepared scan in, its anomaly map out, one tensor each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.inferers import Scorer

TINY = 1e-6
HALF = 0.5 - 1e-5  # of ½: what lies at the middle between brain and background is brain, however it is rounded


@dataclass(frozen=True)
class AtlasGrid:
    """Where the network's slices lie on the grid of prepared scans.

    Args:
        shape: [X, Y, Z] of a prepared scan, in voxels of the atlas. affine: voxel → mm (RAS), 4×4.
        size: side of the network's slices in pixels; each holds the whole plane.
        first, step: the network sees the slices `first + step · i` of the atlas.
        tissue_share: smallest share of the plane that is brain in the lowest and highest slice that is scored.
    """

    shape: tuple[int, int, int]
    affine: Sequence[Sequence[float]]
    size: int
    first: int
    step: int
    tissue_share: float = 0.01

    @property
    def network_affine(self) -> list[list[float]]:
        """Voxel of all slices of the network, [size, size, slices], → mm of the atlas (RAS), 4×4."""
        scale = [self.shape[0] / self.size, self.shape[1] / self.size, self.step]
        offset = [scale[0] / 2 - 0.5, scale[1] / 2 - 0.5, self.first]
        inner = torch.diag(torch.tensor([*scale, 1.0], dtype=torch.float64))
        inner[:3, 3] = torch.tensor(offset)
        found: list[list[float]] = (torch.tensor(self.affine, dtype=torch.float64) @ inner).tolist()
        return found


class ScorerNetwork(nn.Module):
    """Prepared scan [B, 1, X, Y, Z] in [0, 1] → anomaly map [B, 1, X, Y, Z], on the same grid.

    The scan's slices are averaged over the network's pixels, counting brain only, which is where the image is positive;
    they are scored together, and the map s goes back by linear interpolation R: `R(s b) / R(b)` where `R(b) ≥ ½`,
    0 elsewhere. This is what `lesionless predict --atlas-space` writes.

    Args:
        network: in evaluation mode.
        scorer: of the method.
        grid: of the prepared scans.
        seed: of what the scorer draws; the caller's random state is left alone.
        whole: score every slice of the grid, those without tissue as empty ones, so that no shape depends on the image.
            What cannot see the image before it is made, a TorchScript or ONNX program, needs this.

    Raises:
        PipelineError: a scan on another grid.
    """

    def __init__(self, network: nn.Module, scorer: Scorer, grid: AtlasGrid, seed: int = 0, whole: bool = False) -> None:
        super().__init__()
        self.network = network
        self.scorer = scorer
        self.grid = grid
        self.seed = seed
        self.whole = whole

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self._check(image)
        return torch.stack([self._map(scan[0]) for scan in image.unbind()])[:, None]

    def _check(self, image: torch.Tensor) -> None:
        if tuple(image.shape[1:]) != (1, *self.grid.shape):
            expected = " x ".join(map(str, self.grid.shape))
            raise PipelineError(f"the image must be [B, 1, {expected}], the grid of the atlas; got {[*image.shape]}")

    def _map(self, scan: torch.Tensor) -> torch.Tensor:
        """[X, Y, Z] → [X, Y, Z]."""
        scores, brain, z = self._scores(scan)
        if not len(z):
            return torch.zeros_like(scan)
        heights = torch.arange(self.grid.shape[2], device=scan.device)
        return self._enlarged(scores, brain, (heights - z[0]) / self.grid.step)

    def _scores(self, scan: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of the slices that are scored: scores and brain [N, size, size], and their places z [N] in the atlas."""
        slab = scan.permute(2, 0, 1)[self.grid.first :: self.grid.step]
        z = torch.arange(self.grid.first, self.grid.shape[2], self.grid.step, device=scan.device)
        tissue = _between(slab.gt(0).float().mean(dim=(1, 2)) >= self.grid.tissue_share)
        if self.whole:
            slab = slab * tissue[:, None, None]
        else:
            slab, z = slab[tissue], z[tissue]
        image, brain = self._reduced(slab)
        return (self._scored(image[:, None], z)[:, 0] * brain if len(z) else image), brain, z

    def _scored(self, slices: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        if self.whole:
            return self.scorer.map(slices, self.network, z)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return self.scorer.map(slices, self.network, z)

    def _reduced(self, slab: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[N, X, Y] → [N, size, size]: the mean over the brain part of each pixel, and whether its centre is brain."""
        brain = slab.gt(0).float()
        rows, columns = (_areas(length, self.grid.size).to(slab) for length in slab.shape[1:])
        middle = (torch.arange(self.grid.size, device=slab.device) + 0.5) / self.grid.size
        across, down = ((middle * length).long() for length in slab.shape[1:])
        kept = brain[:, across][:, :, down]
        weight = rows @ brain @ columns.T
        return (rows @ (slab * brain) @ columns.T) / weight.clamp_min(TINY) * kept, kept

    def _enlarged(self, scores: torch.Tensor, brain: torch.Tensor, heights: torch.Tensor) -> torch.Tensor:
        """[N, size, size] → [X, Y, Z], whose slices lie at `heights`, in slices of the network."""
        middles = [(torch.arange(n) + 0.5) * (self.grid.size / n) - 0.5 for n in self.grid.shape[:2]]
        rows, columns = (_hats(places, self.grid.size).to(scores) for places in middles)
        up = _hats(heights, len(scores)).to(scores)
        total, weight = ((up @ (rows @ part @ columns.T).flatten(1)) for part in (scores, brain))
        found = torch.where(weight >= HALF, total / weight.clamp_min(TINY), 0.0)
        return found.view(-1, *self.grid.shape[:2]).permute(1, 2, 0)


class SliceScores(ScorerNetwork):
    """Prepared scan [B, 1, X, Y, Z] → [B, 2, size, size, S]: scores of its brain, and the brain, on the network's grid.

    `pipeline.export.to_scan.MapToScand` brings them to the grid of the scan as it was taken, with one interpolation.

    Raises:
        PipelineError: a scan on another grid, or without a brain.
    """

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self._check(image)
        return torch.stack([self._on_all_slices(scan[0]) for scan in image.unbind()])

    def _on_all_slices(self, scan: torch.Tensor) -> torch.Tensor:
        """[X, Y, Z] → [2, size, size, S]; 0 in slices that are not scored."""
        scores, brain, z = self._scores(scan)
        if not len(z):
            raise PipelineError(f"no slice of the scan has a brain of {self.grid.tissue_share:g} of its plane")
        count = len(range(self.grid.first, self.grid.shape[2], self.grid.step))
        whole = scores.new_zeros((2, count, self.grid.size, self.grid.size))
        whole[:, torch.div(z - self.grid.first, self.grid.step, rounding_mode="floor")] = torch.stack([scores, brain])
        return whole.permute(0, 2, 3, 1)


def _between(tissue: torch.Tensor) -> torch.Tensor:
    """[N] bool: from the first to the last that is true."""
    counts = tissue.long()
    return (counts.cumsum(0) > 0) & (counts.flip(0).cumsum(0).flip(0) > 0)


def _areas(old: int, new: int) -> torch.Tensor:
    """[new, old]: the share of each new pixel's width that each old pixel covers."""
    edges = torch.arange(new + 1, dtype=torch.float64) * (old / new)
    pixel = torch.arange(old, dtype=torch.float64)
    return (torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)).clamp_min(0) * new / old


def _hats(places: torch.Tensor, count: int) -> torch.Tensor:
    """[places, count]: `max(0, 1 − |p − j|)`, the weights of linear interpolation; 0 beyond the edge."""
    return (1 - (places[:, None] - torch.arange(count, device=places.device)).abs()).clamp_min(0)
