"""The lite backbone's weights in the order in which oneDNN multiplies, for reading only.

Torch's own products bring a matrix into such an order anew in each call, which small ones feel, and
clip in a pass of its own. Ordered once and clipped in passing, a picture takes two thirds of the
time and a segment's decoder four fifths (docs/performance.md). The operations are those that
torch's compiler calls; they need no compiler here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from hiprobe.backbones.lite.parts import FINE_BLOCK, Block, EfficientNetLite0, SameConv2d

# Name, numbers and algorithm of what is done in passing.
_After = tuple[str, list[float], str]

_NOTHING: _After = ("none", [], "")
_CLIPPED: _After = ("hardtanh", [0.0, 6.0], "")


@dataclass(frozen=True)
class _Ordered:
    """A weight in oneDNN's order. Nobody writes it, so copies of a model share it.

    Torch cannot copy such a tensor.
    """

    tensor: Tensor

    def __deepcopy__(self, _: object) -> _Ordered:
        return self


def _matrix(weight: Tensor) -> _Ordered:
    ordered: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), None)
    return _Ordered(ordered)


@cache
def can_pack() -> bool:
    """Whether this build of torch has oneDNN's operations for this processor.

    They are no part of torch's public interface, so they are tried.
    """
    try:
        with torch.inference_mode():
            PackedLinear(torch.ones(8, 8))(torch.ones(2, 8))
            depth = _Filter(SameConv2d(8, 8, 3, 2, groups=8), pixels=4, after=_CLIPPED)
            depth(torch.ones(1, 8, 4, 4))
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
    return True


class PackedLinear(nn.Module):
    """A linear layer without bias; `state_dict` gives its weight in the usual order."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self._ordered = _matrix(weight)

    @property
    def weight(self) -> Tensor:
        """A copy in the usual order, `[outputs, inputs]`."""
        return self._ordered.tensor.to_dense()

    def forward(self, x: Tensor) -> Tensor:
        """Multiply `[..., inputs]` to `[..., outputs]`."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._ordered.tensor, None, *_NOTHING)
        return made

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}weight"] = self.weight


def pack_layer(layer: nn.Module) -> None:
    """Replace the linear layers in a layer of the decoder, each by one that cannot be trained."""
    for name, module in list(layer.named_modules()):
        if isinstance(module, nn.Linear):
            layer.set_submodule(name, PackedLinear(module.weight))


class _Mix:
    """A 1x1 convolution of pictures `[n, height, width, channels]`: a matrix product."""

    def __init__(self, layer: SameConv2d, after: _After) -> None:
        self._weight, self._bias = _matrix(layer.weight.flatten(1)), layer.bias
        self._after = after

    def __call__(self, x: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight.tensor, self._bias, *self._after
        )
        return made


class _Filter:
    """A convolution of pictures `[n, channels, height, width]`, channels last in memory."""

    def __init__(self, layer: SameConv2d, *, pixels: int, after: _After) -> None:
        kernel, self._stride = layer.kernel_size[0], layer.stride[0]
        pads = max((-(-pixels // self._stride) - 1) * self._stride + kernel - pixels, 0)
        self._pad, weight = pads // 2, layer.weight.detach()
        if pads % 2:
            # The second side has one row more. Both get it, and the kernel a first row of zeros:
            # cheaper than a padded copy of the picture.
            self._pad, weight = self._pad + 1, nn.functional.pad(weight, (1, 0, 1, 0))
        self._weight = _Ordered(
            torch.ops.aten.mkldnn_reorder_conv2d_weight(
                weight.contiguous().to_mkldnn(), *self._places(), layer.groups, None
            )
        )
        self._bias, self._groups, self._after = layer.bias, layer.groups, after
        self.pixels = -(-pixels // self._stride)

    def _places(self) -> tuple[list[int], list[int], list[int]]:
        """Padding, stride and dilation of both sides."""
        return [self._pad] * 2, [self._stride] * 2, [1, 1]

    def __call__(self, x: Tensor) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight.tensor, self._bias, *self._places(), self._groups, *self._after
        )
        return made


class PackedVision(nn.Module):
    """`EfficientNetLite0` with folded norms, for square pictures of one size.

    It gives the same maps but for rounding, channels last in memory.
    """

    def __init__(self, net: EfficientNetLite0, *, pixels: int) -> None:
        super().__init__()
        self._stem = _Filter(net._conv_stem, pixels=pixels, after=_CLIPPED)
        self._blocks: list[tuple[_Mix | None, _Filter, _Mix, bool]] = []
        pixels = self._stem.pixels
        for block in cast("Iterable[Block]", net._blocks):
            widen = _Mix(block._expand_conv, _CLIPPED) if block.expands else None
            depth = _Filter(block._depthwise_conv, pixels=pixels, after=_CLIPPED)
            narrow, pixels = _Mix(block._project_conv, _NOTHING), depth.pixels
            self._blocks.append((widen, depth, narrow, block.residual))
        self._head = _Mix(net._conv_head, _CLIPPED)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `EfficientNetLite0.forward`."""
        x = self._stem(x.contiguous(memory_format=torch.channels_last)).permute(0, 2, 3, 1)
        for number, (widen, depth, narrow, is_residual) in enumerate(self._blocks):
            y = x if widen is None else widen(x)
            y = narrow(depth(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
            x = y.add_(x) if is_residual else y
            if number == FINE_BLOCK:
                fine = x
        return self._head(x).permute(0, 3, 1, 2), fine.permute(0, 3, 1, 2)
