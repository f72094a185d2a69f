"""EfficientNet-Lite0 as a frozen feature extractor (Tan & Le 2019; the "lite" variant).

Lite means: no squeeze-excite, ReLU6 everywhere, stem and head not widened. Inputs are scaled to
(x - 127) / 128 and padded as TensorFlow's "SAME" does, asymmetrically at stride 2: symmetric
padding shifts the picture by half a pixel per stride and lowers the confidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from hiprobe.backbones.lite.shape import (
    CLASSES,
    FEATURE_CHANNELS,
    FINE_CHANNELS,
    STAGES,
    STEM_CHANNELS,
)
from hiprobe.segment import Frame

__all__ = ["FEATURE_CHANNELS", "FINE_CHANNELS", "EfficientNetLite0", "SameConv2d", "network_input"]

FINE_BLOCK = 10  # the last one at a sixteenth of the size: the fifth stage's end
BATCH_NORM_EPS = 1e-3


class SameConv2d(nn.Conv2d):
    """Convolution without bias and with TensorFlow's "SAME" padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pad so that the output has ceil(size / stride) rows and columns."""
        pads = [
            max((-(-size // s) - 1) * s + k - size, 0)
            for size, s, k in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        if any(pad % 2 for pad in pads):
            top, left = pads[0] // 2, pads[1] // 2
            x, pads = nn.functional.pad(x, (left, pads[1] - left, top, pads[0] - top)), [0, 0]
        # equal sides are left to the convolution, which pads without a copy
        sides = (pads[0] // 2, pads[1] // 2)
        return nn.functional.conv2d(x, self.weight, None, self.stride, sides, 1, self.groups)


class Block(nn.Module):
    """Inverted residual block; attribute names follow the published state dict."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, hidden, 1, 1)
            self._bn0 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=BATCH_NORM_EPS)
        self._project_conv = SameConv2d(hidden, outputs, 1, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Expand, filter each channel, project."""
        y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        out: Tensor = x + y if self.residual else y
        return out


class EfficientNetLite0(nn.Module):
    """The network; `forward` gives the feature map before pooling, `classify` the 1000 logits."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM_CHANNELS, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM_CHANNELS, eps=BATCH_NORM_EPS)
        blocks, inputs = [], STEM_CHANNELS
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(inputs, FEATURE_CHANNELS, 1, 1)
        self._bn1 = nn.BatchNorm2d(FEATURE_CHANNELS, eps=BATCH_NORM_EPS)
        self._fc = nn.Linear(FEATURE_CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two feature maps, float32: what the head sees, and a finer one from mid-way.

        `[n, 1280, height / 32, width / 32]` and `[n, 112, height / 16, width / 16]`.
        """
        x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number == FINE_BLOCK:
                fine = x
        return nn.functional.relu6(self._bn1(self._conv_head(x))), fine

    def classify(self, x: Tensor) -> Tensor:
        """ImageNet logits, float32 `[n, 1000]`."""
        logits: Tensor = self._fc(self(x)[0].mean(dim=(2, 3)))
        return logits


def network_input(frames: Sequence[Frame], *, pixels: int) -> Tensor:
    """Frames as float32 `[n, 3, pixels, pixels]`, aspect squashed, scaled as in training."""
    resized = [
        cv2.resize(f, (pixels, pixels), interpolation=_interpolation(f, pixels)) for f in frames
    ]
    batch = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float()
    return (batch - 127.0) / 128.0


def _interpolation(frame: Frame, pixels: int) -> int:
    # averaging is right when shrinking, but leaves blocks when enlarging
    return cv2.INTER_AREA if min(frame.shape[:2]) >= pixels else cv2.INTER_LINEAR
