"""A convolution whose second derivative costs two convolutions, where PyTorch's takes one of the size of the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class _Convolve(Function):
    """`y = w ∗ x + b`. `options`: stride, padding, dilation, transposed, output padding and groups."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, options: tuple) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.bias = None if bias is None else bias.shape
        ctx.options = options
        return torch.ops.aten.convolution(x, weight, bias, *options)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple:
        wanted, (x, weight) = [_wanted(ctx, i) for i in range(3)], ctx.saved_tensors
        if torch.is_grad_enabled() and wanted == [True, False, False]:
            return _InputGradient.apply(gradients[0], x, weight, ctx.options), None, None, None
        return (*_native(gradients[0], x, weight, ctx.bias, ctx.options, wanted), None)


class _InputGradient(Function):
    """`g_x`, linear in g and in w, and the same whatever x is."""

    @staticmethod
    def forward(ctx: Any, gradient: Any, x: Any, weight: Any, options: tuple) -> torch.Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.options = options
        return _native(gradient, x, weight, None, options, [True, False, False])[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v: torch.Tensor) -> tuple:
        """Gradients of `⟨v, g_x⟩ = ⟨w ∗ v, g⟩`: by g `w ∗ v`, by w that of a convolution whose input is v."""
        gradient, weight = ctx.saved_tensors
        by_weight = _native(gradient, v, weight, None, ctx.options, [False, True, False])[1]
        return torch.ops.aten.convolution(v, weight, None, *ctx.options), None, by_weight, None


def _native(gradient: Any, x: Any, weight: Any, bias: Any, options: tuple, wanted: list[bool]) -> tuple:
    return torch.ops.aten.convolution_backward(gradient, x, weight, bias, *options, wanted)


def _wanted(ctx: Any, i: int) -> bool:
    """Whether this backward pass asks for the gradient of input i; `needs_input_grad` says whether any may."""
    if not ctx.needs_input_grad[i]:
        return False
    node = ctx.next_functions[i][0]  # of tensors: input, weight and, where there is one, bias
    return torch._C._will_engine_execute_node(node)


class TwiceDifferentiableConv2d(nn.Conv2d):
    """`nn.Conv2d` with the same numbers, parameters and names; the second derivative of its input's gradient is cheap.

    Differentiable twice by its input, weight and bias, as Grad-CAM in a loss needs; not three times.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled() or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return super().forward(x)
        given, kind = [t for t in (x, self.weight, self.bias) if t is not None], x.device.type
        if torch.is_autocast_enabled(kind):
            given = [t.to(torch.get_autocast_dtype(kind)) for t in given]
        # the engine can only be asked about gradients of tensors that were computed, hence the views
        x, weight, *bias = (t.view_as(t) for t in given)
        options = (self.stride, self.padding, self.dilation, False, (0, 0), self.groups)
        return _Convolve.apply(x, weight, bias[0] if bias else None, options)
