"""Anomaly maps of networks that answer differently at each pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from pipeline.contracts import Scored
from pipeline.errors import PipelineError, check_choice
from pipeline.precision import autocast

STATISTICS = ("mean", "std")


@contextlib.contextmanager
def active_dropout(network: nn.Module) -> Iterator[int]:
    """Dropout layers of `network` in training mode inside, all else as it is; yields how many there are (p > 0).

    Args:
        network: its modes are restored at the end.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.2)).eval()
        >>> with active_dropout(network) as layers:
        ...     layers, [layer.training for layer in network]
        (1, [False, False, True])
    """
    layers = [m for m in network.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0]
    before = [layer.training for layer in layers]
    try:
        for layer in layers:
            layer.train()
        yield len(layers)
    finally:
        for layer, training in zip(layers, before, strict=True):
            layer.train(training)


@dataclass(frozen=True)
class MonteCarlo:
    """Mean or standard deviation of `|x − x̂|` over passes with dropout active.

    Both are updated pass by pass (Chan et al. 1983), so memory does not grow with `passes`.

    Args:
        passes: ≥ 2.
        statistic: `mean` or `std` (n − 1 in the denominator).
        sample: whether each pass also samples the latent vector; needs a network that takes `sample`.
        images: slices × passes in one forward pass.
        seed: of the draws; the caller's random state is left alone.
        precision: of the network, see Forward.

    Raises:
        PipelineError: fewer than two passes, another statistic, or a network that answers the same each time.

    Source: Pawlowski et al. 2018.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network = ResNetAutoencoder(image_size=16, latent_size=4, dropout=0.2).eval()
        >>> slices = torch.rand(2, 1, 16, 16)
        >>> spread = MonteCarlo(passes=4, statistic="std")(slices, network).map
        >>> spread.shape, bool((spread > 0).any())
        (torch.Size([2, 1, 16, 16]), True)
    """

    passes: int = 100
    statistic: str = "mean"
    sample: bool = False
    images: int = 32
    seed: int = 0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        if self.passes < 2:
            raise PipelineError(f"Monte-Carlo inference needs at least 2 passes, got {self.passes}")
        check_choice("statistic", self.statistic, STATISTICS)

    def __call__(self, inputs: torch.Tensor, network: nn.Module) -> Scored:
        """Map of the slices `inputs` [N, 1, H, W] in [0, 1]; the network returns `logits`."""
        moments = dict(zip(STATISTICS, self.moments(inputs, network), strict=True))
        return Scored(moments[self.statistic])

    def moments(self, inputs: torch.Tensor, network: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation maps, each [N, 1, H, W]."""
        passes = Passes(self.passes, self.sample, self.images, self.seed, self.precision)
        return passes.moments(inputs, network, lambda image, drawn: (image - drawn).abs())


@dataclass(frozen=True)
class Passes:
    """Passes through a network that answers differently at each; arguments as of MonteCarlo.

    Example:
        >>> from pipeline.networks import ResNetAutoencoder
        >>> network = ResNetAutoencoder(image_size=16, latent_size=4, dropout=0.2).eval()
        >>> mean, deviation = Passes(4, False, 32, 0, "fp32").moments(torch.rand(2, 1, 16, 16), network, torch.sub)
        >>> mean.shape, bool((deviation > 0).any())
        (torch.Size([2, 1, 16, 16]), True)
    """

    passes: int
    sample: bool
    images: int
    seed: int
    precision: str

    def moments(
        self, inputs: torch.Tensor, network: nn.Module, figure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of `figure(x, x̂)` over the passes, each [N, 1, H, W].

        Args:
            inputs: x, [N, 1, H, W] in [0, 1].
            network: returns `logits`, of which x̂ is the sigmoid.
            figure: of two tensors [passes · n, 1, H, W], as large.

        Raises:
            PipelineError: a network that answers the same each time.
        """
        devices = [inputs.device] if inputs.device.type == "cuda" else []
        with torch.random.fork_rng(devices), active_dropout(network) as layers:
            if not layers and not self.sample:
                raise PipelineError("Monte-Carlo inference needs a network with dropout, or sample: true")
            torch.manual_seed(self.seed)
            parts = [self._moments(part, network, figure) for part in inputs.split(self.images)]
        means, deviations = zip(*parts, strict=True)
        return torch.cat(means), torch.cat(deviations)

    def _moments(
        self, image: torch.Tensor, network: nn.Module, figure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mean, squares = torch.zeros_like(image), torch.zeros_like(image)
        done = 0
        while done < self.passes:
            now = min(max(1, self.images // len(image)), self.passes - done)
            stack = image.repeat(now, 1, 1, 1)
            found = figure(stack, self._drawn(stack, network)).unflatten(0, (now, len(image)))
            fresh = found.mean(dim=0)
            shift = fresh - mean
            squares += (found - fresh).square().sum(dim=0) + shift.square() * (done * now / (done + now))
            mean += shift * (now / (done + now))
            done += now
        return mean, (squares / (self.passes - 1)).sqrt()

    def _drawn(self, stack: torch.Tensor, network: nn.Module) -> torch.Tensor:
        """x̂ of one pass for each image of the stack."""
        with autocast(self.precision, stack.device):
            output = network(stack, sample=True) if self.sample else network(stack)
        return output.logits.float().sigmoid()
