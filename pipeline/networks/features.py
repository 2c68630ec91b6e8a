"""Feature networks for perceptual losses: the first layers of a VGG, from weights on disk or of torchvision."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.errors import PipelineError
from pipeline.networks.weights import first_line, read_state

CHOICES = (
    "set perceptual_features to `torchvision` (pip install torchvision), to the path of a VGG: an .onnx file or a .pth "
    "state dict of torchvision's; or train without the term: perceptual_weight: 0 (the preset without_perceptual)"
)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
POOL = "M"  # as in torchvision's lists of VGG's layers
VGG16_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG16_POOLS = (4, 9, 16, 23, 30)
ONNX_DEFAULTS = {
    "kernel_shape": [], "pads": [0] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1, "auto_pad": b"NOTSET",
    "ceil_mode": 0,
}  # fmt: skip
PLAIN: dict[str, tuple[int, dict[str, Any]]] = {  # number of weights, and what has to hold
    "Conv": (2, {**ONNX_DEFAULTS, "kernel_shape": [3, 3], "pads": [1] * 4}),
    "MaxPool": (0, {**ONNX_DEFAULTS, "kernel_shape": [2, 2], "strides": [2, 2]}),
    "Relu": (0, {}),
}
Layer = Any  # POOL, or (weight, bias) of a convolution 3×3 with padding 1 that a ReLU follows


class VGGFeatures(nn.Module):
    """Feature maps `φ_j(x)` of a stack of convolutions with ReLU and max-pools; without gradients of its own.

    Args:
        layers: convolutions and pools, in order. taps: numbers of the convolutions (from 1) after whose ReLU the maps
            are taken.
        normalised: the weights want images minus ImageNet's mean, divided by its deviation; else in [0, 1].

    Raises:
        PipelineError: a tap beyond the last convolution.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, layers: list[Layer], taps: tuple[int, ...], normalised: bool) -> None:
        super().__init__()
        count = sum(layer is not POOL for layer in layers)
        if not taps or min(taps) < 1 or max(taps) > count:
            raise PipelineError(f"perceptual layers must be convolutions 1 to {count}, got {list(taps)}")
        mean, deviation = IMAGENET if normalised else ((0.0,) * 3, (1.0,) * 3)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None])
        self.taps = taps
        self.stack = nn.ModuleList(nn.MaxPool2d(2) if layer is POOL else _convolution(*layer) for layer in layers)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Maps [N, K_j, H_j, W_j] of grey images [N, 1, H, W] in [0, 1], which go into all three channels."""
        x = (image - self.mean) / self.deviation
        maps: list[torch.Tensor] = []
        done = 0
        for module in self.stack:
            x = module(x)
            done += not isinstance(module, nn.MaxPool2d)
            if done in self.taps and not isinstance(module, nn.MaxPool2d):
                maps.append(x)
            if done == max(self.taps):
                break
        return maps


def load_features(source: str | None, taps: tuple[int, ...] | list[int] = (4,), device: Any = "cpu") -> VGGFeatures:
    """The feature network of a perceptual loss; nothing is made up in place of missing weights.

    Args:
        source: `torchvision` (VGG16, ImageNet), or the path of an `.onnx` or `.pth` file. An ONNX file is a chain of
            convolutions 3×3, ReLU and max-pools that takes images in [0, 1]; what follows the chain is not read. A
            state dict is that of torchvision's VGG16 (without batch norm), or of its first layers, and takes ImageNet's
            normalisation.
        taps: numbers of the convolutions; 4 is `relu2_2` (Johnson et al. 2016).

    Raises:
        PipelineError: no source, no such file, no torchvision or weights, or a file of another kind; with the choices.
    """
    if not source:
        raise PipelineError(f"the perceptual term has a weight but no feature network: {CHOICES}")
    if source == "torchvision":
        layers, normalised = _of_state(_torchvision_state(), source), True
    elif not Path(source).is_file():
        raise PipelineError(f"no feature network '{source}': {CHOICES}")
    elif source.endswith(".onnx"):
        layers, normalised = list(_of_onnx(Path(source))), False
    else:
        layers, normalised = _of_state(_read_state(source), source), True
    return VGGFeatures(layers, tuple(taps), normalised).to(device)


def _convolution(weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
    made.load_state_dict({"weight": weight, "bias": bias})
    return nn.Sequential(made, nn.ReLU())


def _torchvision_state() -> dict[str, torch.Tensor]:
    try:
        models = importlib.import_module("torchvision.models")
        return models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
    except (ImportError, OSError) as error:
        raise PipelineError(f"torchvision's VGG16 is not at hand ({error}): {CHOICES}") from error


def _read_state(path: str) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = read_state(path)
    except Exception as error:
        raise PipelineError(f"feature network '{path}' is no state dict: {first_line(error)}; {CHOICES}") from error
    return state


def _of_state(state: Any, source: str) -> list[Layer]:
    """Layers from keys `features.<i>.weight`; pools lie where torchvision's VGG16 has them."""
    pattern = re.compile(r"features\.(\d+)\.weight")
    numbers = sorted(int(found[1]) for key in state if (found := pattern.fullmatch(str(key))))
    if not numbers or numbers[0] != 0:
        raise PipelineError(f"feature network '{source}' has no key features.0.weight of a VGG16; {CHOICES}")
    if tuple(numbers) != VGG16_CONVOLUTIONS[: len(numbers)]:
        raise PipelineError(
            f"feature network '{source}' is no VGG16: it has the layers features.{numbers} where VGG16 has the "
            f"convolutions {[*VGG16_CONVOLUTIONS]}; {CHOICES}"
        )
    _check_shapes(state, numbers, source)
    kinds = sorted([(number, False) for number in numbers] + [(n, True) for n in VGG16_POOLS if n < numbers[-1]])
    return [POOL if pool else (state[f"features.{n}.weight"], state[f"features.{n}.bias"]) for n, pool in kinds]


def _check_shapes(state: Any, numbers: list[int], source: str) -> None:
    """Refuse what is no chain of convolutions 3×3 with bias, the first one of three channels."""
    channels = 3
    for n in numbers:
        weight, bias = (tuple(getattr(state.get(f"features.{n}.{kind}"), "shape", ())) for kind in ("weight", "bias"))
        if weight[1:] != (channels, 3, 3) or bias != weight[:1]:
            raise PipelineError(
                f"feature network '{source}': features.{n} has a weight {list(weight)} and a bias {list(bias)}; a "
                f"convolution of VGG16 has [K, {channels}, 3, 3] and [K]; {CHOICES}"
            )
        channels = weight[0]


def _of_onnx(path: Path) -> Iterator[Layer]:
    """The leading chain of an ONNX graph; only the weights are read, nothing of the file is run."""
    try:
        onnx = importlib.import_module("onnx")
    except ImportError as error:
        raise PipelineError(f"'{path}' needs the package onnx: pip install lesionless[perceptual]") from error
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:
        raise PipelineError(f"feature network '{path}' is no ONNX file: {str(error).splitlines()[0]}") from error
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    nodes = _chain(graph, arrays, path)
    for node, following in zip(nodes, [*nodes[1:], None], strict=True):
        held = [arrays.get(name) for name in node.input[1:]]
        follows = following is not None and following.op_type == "Relu"
        if not _is_plain(node) or (held and not follows) or any(t is None or t.external_data for t in held):
            raise PipelineError(
                f"feature network '{path}': '{node.name or node.output[0]}' is no plain max-pool 2×2, or convolution "
                "3×3 with bias, padding 1 and ReLU whose weights lie in the file"
            )
        if node.op_type != "Relu":
            yield tuple(torch.tensor(onnx.numpy_helper.to_array(t)) for t in held) or POOL


def _chain(graph: Any, arrays: dict[str, Any], path: Path) -> list[Any]:
    """The leading nodes of the kinds of a VGG; PipelineError where one does not take what the one before it gives."""
    nodes, image = list(graph.node), next((i.name for i in graph.input if i.name not in arrays), "")
    start = 1 if nodes and nodes[0].op_type == "Transpose" else 0  # channels last to channels first
    chain = nodes[:start] + list(takewhile(lambda node: node.op_type in PLAIN, nodes[start:]))
    for node, wanted in zip(chain, [image, *(before.output[0] for before in chain)], strict=False):
        if list(node.input[:1]) != [wanted]:
            raise PipelineError(
                f"feature network '{path}' is no chain: '{node.name or node.output[0]}' does not take '{wanted}', the "
                "output of the layer before it"
            )
    return chain[start:]


def _is_plain(node: Any) -> bool:
    """Whether a node has the number of weights, the kernel, the strides and the padding of a VGG's layer."""
    options = {option.name: list(option.ints) or option.i or option.s for option in node.attribute}
    weights, wanted = PLAIN[node.op_type]
    given = {key: options.get(key, default) for key, default in ONNX_DEFAULTS.items()}
    return len(node.input) == 1 + weights and all(given[key] == value for key, value in wanted.items())
