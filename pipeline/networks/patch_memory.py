"""A memory of the patches that normal brains are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from pipeline.contracts import Batch
from pipeline.errors import PipelineError
from pipeline.networks.estimator import Estimator

CANDIDATES = 40_000  # patches that the memory is chosen from, at most
DIRECTIONS = 32  # of the random projection in which it is chosen
CHUNK = 8  # slices at a time


class PatchMemory(Estimator):
    """Distance of each patch's features to the nearest one of a memory of normal patches.

    Features of a patch: the maps of all layers, each after a 3 × 3 mean, enlarged to the finest and joined. Of at most
    40,000 patches of normal brains, drawn at random, the memory keeps `size` by greedy search: each next one is the
    patch that is farthest from those that are kept, in a random projection.

    Args:
        features: `image [N, 1, H, W] -> maps [N, K, h, w]`, finest first; it does not learn here.
        size: of the memory, in patches, ≥ 1.

    Raises:
        PipelineError: an empty memory.

    Source: Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler. Towards total recall in industrial anomaly detection
    (PatchCore). CVPR 2022, sections 3.1 to 3.3, without the weights of the image's score.
    """

    patches: Tensor
    keys: Tensor

    def __init__(self, features: Callable[[Tensor], Sequence[Tensor]] | nn.Module, size: int = 2000) -> None:
        super().__init__()
        if size < 1:
            raise PipelineError(f"a memory keeps at least one patch, got {size}")
        self.features = features
        self.size = size
        self.register_buffer("patches", torch.empty(0))  # candidates until `finish`, then the memory: [size, channels]
        self.register_buffer("keys", torch.empty(0))  # of the candidates; those with the lowest stay

    def partial_fit(self, image: Tensor, batch: Batch) -> None:
        found = self._features(image)
        inside = interpolate(batch["brain"].float(), found.shape[-2:], mode="area")[:, 0] > 0.5
        patches = found.permute(0, 2, 3, 1)[inside]
        draws = torch.Generator().manual_seed(int(batch["row"][0]))
        keys = torch.rand(len(patches), generator=draws).to(patches)
        keys, patches = torch.cat([self.keys, keys]), torch.cat([self.patches.view(-1, patches.shape[1]), patches])
        kept = keys.argsort(stable=True)[:CANDIDATES]
        self.keys, self.patches = keys[kept], patches[kept]

    def finish(self) -> None:
        draws = torch.Generator().manual_seed(0)
        directions = torch.randn(self.patches.shape[1], DIRECTIONS, generator=draws).to(self.patches)
        self.patches = self.patches[farthest_first(self.patches @ directions, self.size)]
        self.keys = self.keys.new_empty(0)

    def forward(self, image: Tensor) -> Tensor:
        """Distances [N, 1, H, W] of images [N, 1, H, W] in [0, 1]; 0 outside the brain, which is positive."""
        return torch.cat([self._distance(part) for part in image.split(CHUNK)]) * (image > 0)

    def _distance(self, image: Tensor) -> Tensor:
        found = self._features(image)
        nearest = torch.cdist(found.permute(0, 2, 3, 1).flatten(0, 2), self.patches).amin(dim=1)
        plane = nearest.view(len(image), 1, *found.shape[-2:])
        return interpolate(plane, image.shape[-2:], mode="bilinear", align_corners=False)

    def _features(self, image: Tensor) -> Tensor:
        """[N, channels, h, w]."""
        maps = [avg_pool2d(one.float(), 3, 1, 1) for one in self.features(image)]
        finest = maps[0].shape[-2:]
        return torch.cat([interpolate(one, finest, mode="bilinear", align_corners=False) for one in maps], dim=1)


def farthest_first(points: Tensor, number: int) -> Tensor:
    """Indices of points [n, d], each farthest from those before it: a greedy cover; all of them where there are fewer.

    The first is the point with the largest norm.

    Example:
        >>> farthest_first(torch.tensor([[0.0], [1.0], [9.0], [10.0]]), 3).tolist()
        [3, 0, 1]
    """
    chosen = [int(points.norm(dim=1).argmax())]
    distance = (points - points[chosen[0]]).norm(dim=1)
    for _ in range(min(number, len(points)) - 1):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=1))
    return torch.tensor(chosen, device=points.device)
