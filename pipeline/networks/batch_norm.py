"""Batch norm whose second derivative costs a few passes over the data, where PyTorch's takes some twenty."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from pipeline.networks.convolution import TwiceDifferentiableConv2d


class _Normalise(Function):
    """`y = γ x̂ + β`, `x̂ = (x − mean) / σ`, with the statistics of the batch."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, running: tuple, momentum: float, eps: float) -> torch.Tensor:
        y, mean, inverse = torch.ops.aten.native_batch_norm(x, weight, bias, *running, True, momentum, eps)
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple:
        return (*_Backward.apply(gradients[0], *ctx.saved_tensors, ctx.eps), None, None, None)


class _Backward(Function):
    """`g_x = (γ/σ) P(g)`, `g_γ = Σ g x̂`, `g_β = Σ g`, with `P(v) = v − mean(v) − x̂ mean(v x̂)`, which is symmetric."""

    @staticmethod
    def forward(ctx: Any, gradient: Any, x: Any, weight: Any, mean: Any, inverse: Any, eps: float) -> tuple:
        found = _native(gradient, x, weight, mean, inverse, eps)
        ctx.save_for_backward(x, weight, mean, inverse, *found[:2])
        ctx.eps = eps
        ctx.set_materialize_grads(False)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Any) -> tuple:
        """Gradients of `Σ w g_x` for `w = cotangents[0]`; the map alone is differentiated again, g_γ and g_β are not.

        By g: `(γ/σ) P(w)`. By γ: `Σ w g_x / γ`, so γ must not be 0.
        By x: `−(1/σ) [ x̂ Σ w g_x / n + mean(w x̂) g_x + mean(g x̂) (γ/σ) P(w) ]`.
        """
        w, *others = cotangents
        if any(other is not None for other in others):
            raise NotImplementedError("second derivatives of the affine parameters' gradients")
        x, weight, mean, inverse, g_x, g_weight = ctx.saved_tensors
        by_g, w_sum, _ = _native(w, x, weight, mean, inverse, ctx.eps)
        n, total = x.numel() / x.shape[1], (w * g_x).sum(dim=(0, 2, 3), dtype=mean.dtype)
        wide = lambda c: c.to(x.dtype)[None, :, None, None]  # noqa: E731
        slope = -total * inverse.square() / n
        by_x = torch.addcmul(wide(-slope * mean), x, wide(slope))
        by_x = by_x.addcmul_(g_x, wide(-inverse * w_sum / n)).addcmul_(by_g, wide(-inverse * g_weight / n))
        return by_g, by_x, total / weight, None, None, None


def _native(gradient: Any, x: Any, weight: Any, mean: Any, inverse: Any, eps: float) -> tuple:
    backward = torch.ops.aten.native_batch_norm_backward
    return backward(gradient, x, weight, None, None, mean, inverse, True, eps, [True, True, True])


class TwiceDifferentiableBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` with the same numbers, parameters and names; in training its second derivative is cheap.

    Differentiable twice by its input, weight and bias, as Grad-CAM in a loss needs; not three times.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(x)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return _Normalise.apply(
            x, self.weight, self.bias, (self.running_mean, self.running_var), self.momentum, self.eps
        )


def twice_differentiable(network: nn.Module) -> nn.Module:
    """`network` itself, its BatchNorm2d and Conv2d layers made twice differentiable at little cost."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = TwiceDifferentiableBatchNorm2d
        if type(module) is nn.Conv2d:
            module.__class__ = TwiceDifferentiableConv2d
    return network
