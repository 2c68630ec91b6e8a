"""A scorer as a program of tensor operations alone, without Python: what TorchScript and ONNX files are made of.

The program is recorded operation by operation, below autograd, so that a scorer which takes gradients of its network
becomes one as well. What does not depend on the image, such as the kernels of a Gaussian or the noise that is the same
for every volume, is a constant of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch._decomp import get_decompositions
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import (
    disable_proxy_modes_tracing,
    get_proxy_mode,
    get_proxy_slot,
    make_fx,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipeline.errors import PipelineError
from pipeline.export.scorer_network import ScorerNetwork

ATEN = torch.ops.aten
OF_THE_DEVICE = ("device", "pin_memory", "layout")
DRAWS = "its scorer draws random numbers for every image, and a program has no seed: two calls would give two maps"
ASKS = "its scorer decides in Python by a value of the image, which a program without Python cannot"


MOST = 12_000  # operations: a longer program takes minutes to write and to load
LONG = f"its scorer takes more than {MOST} operations on a volume, and a program, which has no loops, lists them all"


class NoProgram(PipelineError):
    """The scorer has no program; the message says why, by what the scorer does."""


class Program(nn.Module):
    """The program of a scorer, with weights of the same names as the network's.

    Args:
        scorer: with `whole`.
        example: a scan [1, 1, X, Y, Z]; its values do not matter.

    Raises:
        NoProgram: the scorer draws random numbers for each image, decides in Python by its values, or is too long.
    """

    def __init__(self, scorer: ScorerNetwork, example: torch.Tensor) -> None:
        super().__init__()
        for name, child in scorer.network.named_children():
            self.add_module(name, child)
        for name, weight in scorer.network.named_parameters(recurse=False):
            self.register_parameter(name, weight if isinstance(weight, nn.Parameter) else None)
        for name, buffer in scorer.network.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self._graph = [record(scorer, self._weights(), example)]  # a list: its constants are no weights

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self._graph[0](self._weights(), image)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}


def record(scorer: ScorerNetwork, weights: dict[str, torch.Tensor], example: torch.Tensor) -> fx.GraphModule:
    """The operations from weights and image to the map."""

    def run(weights: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        of_network = {f"network.{name}": weight for name, weight in weights.items()}
        with _ConstantsApart():
            return functional_call(scorer, of_network, (image,)).detach()

    with torch.random.fork_rng():
        torch.manual_seed(scorer.seed)
        try:
            graph = make_fx(run, decomposition_table=_backward_passes())(weights, example)
        except RuntimeError as error:
            raise NoProgram(_reason(error)) from error
    _leave_devices_open(graph)
    return graph


class _ConstantsApart(TorchDispatchMode):
    """Operations on tensors that do not depend on image or weights are done at once, and only their result is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        recording: Any = get_proxy_mode()
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(get_proxy_slot(tensor, recording.tracer, None) is not None for tensor in tensors):
            if torch.Tag.nondeterministic_seeded in func.tags:
                raise NoProgram(DRAWS)
            self.done += 1
            if self.done > MOST:
                raise NoProgram(LONG)
            return func(*args, **kwargs)
        with disable_proxy_modes_tracing():
            return func(*args, **kwargs)


def _reason(error: RuntimeError) -> str:
    return ASKS if "data-dependent" in str(error) else f"its scorer cannot be recorded: {str(error).splitlines()[0]}"


def _backward_passes() -> dict[Any, Any]:
    """Backward passes in terms of the operations that TorchScript and ONNX have."""
    known = get_decompositions(
        [
            ATEN.native_batch_norm_backward,
            ATEN.threshold_backward,
            ATEN.sigmoid_backward,
        ]
    )
    own = {
        ATEN.convolution_backward.default: _convolution_backward,
        ATEN.upsample_nearest2d_backward.default: _upsampling_backward,
    }
    return {**known, **own}


def _convolution_backward(
    gradient: torch.Tensor,
    image: torch.Tensor,
    weight: torch.Tensor,
    bias: Any,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    wanted: list[bool],
) -> tuple[torch.Tensor | None, None, None]:
    """The gradient by the image, which is all that a scorer asks for."""
    if any(wanted[1:]):
        return NotImplemented
    if transposed:
        return ATEN.convolution(gradient, weight, None, stride, padding, dilation, False, [0, 0], groups), None, None
    lost = [
        side - ((out - 1) * step - 2 * pad + spread * (taps - 1) + 1)
        for side, out, step, pad, spread, taps in zip(
            image.shape[2:], gradient.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True
        )
    ]
    return ATEN.convolution(gradient, weight, None, stride, padding, dilation, True, lost, groups), None, None


def _upsampling_backward(
    gradient: torch.Tensor, output_size: list[int], input_size: list[int], *scales: float | None
) -> torch.Tensor:
    """The sum over the pixels that each pixel became."""
    sides = input_size[2:]
    factors = [out // side for out, side in zip(output_size, sides, strict=True)]
    if [side * factor for side, factor in zip(sides, factors, strict=True)] != [*output_size]:
        return NotImplemented
    blocks = [length for pair in zip(sides, factors, strict=True) for length in pair]
    return gradient.reshape([*input_size[:2], *blocks]).sum(dim=(3, 5))


def _leave_devices_open(graph: fx.GraphModule) -> None:
    """Constants and new tensors go to the device of the image, whatever device the program was recorded on."""
    image = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    for node in graph.graph.nodes:
        if node.op == "call_function" and any(isinstance(arg, fx.Node) for arg in node.args):
            node.kwargs = {key: value for key, value in node.kwargs.items() if key not in OF_THE_DEVICE}
    for node in [node for node in graph.graph.nodes if node.op == "get_attr"]:
        constant: torch.Tensor = getattr(graph, node.target)
        with graph.graph.inserting_after(node):
            like = graph.graph.call_function(ATEN.new_empty.default, (image, [0]), {"dtype": constant.dtype})
        with graph.graph.inserting_after(like):
            moved = graph.graph.call_function(ATEN.to.other, (node, like))
        node.replace_all_uses_with(moved, lambda user, moved=moved: user is not moved)
    graph.recompile()
