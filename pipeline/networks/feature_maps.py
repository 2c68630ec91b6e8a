"""Feature maps of any network: those of its parts, or those that a TorchScript file returns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import PipelineError


class TappedFeatures(nn.Module):
    """What parts of a network return while it looks at an image.

    Args:
        network: takes images [N, 1, H, W].
        taps: names of its parts, as in `named_modules`; each returns one map [N, K, h, w].

    Raises:
        PipelineError: no part of that name, or none at all.

    Example:
        >>> features = TappedFeatures(nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(2)), taps=["0", "1"])
        >>> [part.shape[-1] for part in features(torch.zeros(1, 1, 8, 8))]
        [4, 2]
    """

    def __init__(self, network: nn.Module, taps: Sequence[str]) -> None:
        super().__init__()
        parts = dict(network.named_modules())
        unknown = [name for name in taps if name not in parts]
        if unknown or not taps:
            known = ", ".join(name for name, _ in network.named_children())
            raise PipelineError(f"features of {unknown or 'no part'} of {type(network).__name__}; it has {known}")
        self.network = network
        self.taps = list(taps)

    def forward(self, image: Tensor) -> list[Tensor]:
        found: dict[str, Tensor] = {}
        parts = dict(self.network.named_modules())
        hooks = [parts[name].register_forward_hook(_keep(found, name)) for name in self.taps]
        try:
            self.network(image)
        finally:
            for hook in hooks:
                hook.remove()
        return [found[name] for name in self.taps]


def _keep(found: dict[str, Tensor], name: str) -> Any:
    def hook(part: nn.Module, inputs: Any, output: Tensor) -> None:
        found[name] = output

    return hook


class ScriptedFeatures(nn.Module):
    """Feature maps of a network in a TorchScript file, which are all that it returns: one tensor or several.

    Args:
        path: of the file.
        channels: of the images that it takes; the grey image goes into each of them.

    Raises:
        PipelineError: no such file, or no TorchScript.
    """

    def __init__(self, path: str, channels: int = 1) -> None:
        super().__init__()
        if not Path(path).is_file():
            raise PipelineError(f"no feature network '{path}': give the path of a TorchScript file")
        try:
            with warnings.catch_warnings():  # torch would rather have torch.export; the files of others are as they are
                warnings.simplefilter("ignore", DeprecationWarning)
                self.network = torch.jit.load(path, map_location="cpu").eval()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise PipelineError(f"feature network '{path}' is no TorchScript file: {reason}") from error
        self.channels = channels

    def forward(self, image: Tensor) -> list[Tensor]:
        found = self.network(image.expand(-1, self.channels, -1, -1))
        return [found] if isinstance(found, Tensor) else list(found)
