"""EfficientNet-Lite0: padding as TensorFlow does it, and real pictures named rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from hiprobe.backbones.lite.parts import (
    FEATURE_CHANNELS,
    FINE_CHANNELS,
    EfficientNetLite0,
    SameConv2d,
    network_input,
)

# ImageNet classes of scikit-learn's two sample pictures
SAMPLES = {"china.jpg": 698, "flower.jpg": 985}  # palace, daisy


def same_convolution(
    picture: NDArray[np.float64], kernel: NDArray[np.float64], stride: int
) -> NDArray[np.float64]:
    """One channel, by TensorFlow's definition of "SAME", written as loops."""
    rows, columns = (-(-size // stride) for size in picture.shape)
    k = len(kernel)
    before = [
        max((out - 1) * stride + k - size, 0) // 2
        for out, size in zip((rows, columns), picture.shape, strict=True)
    ]
    found = np.zeros((rows, columns))
    for r, c, i, j in np.ndindex(rows, columns, k, k):
        y, x = r * stride + i - before[0], c * stride + j - before[1]
        if 0 <= y < picture.shape[0] and 0 <= x < picture.shape[1]:
            found[r, c] += kernel[i, j] * picture[y, x]
    return found


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(7, 8), (8, 7), (2, 9), (14, 14)])
def test_padding_is_that_of_tensorflow(size: tuple[int, int], kernel: int, stride: int) -> None:
    rng = np.random.default_rng(0)
    picture, weights = rng.normal(size=size), rng.normal(size=(kernel, kernel))
    layer = SameConv2d(1, 1, kernel, stride).double()
    layer.weight.data[0, 0] = torch.from_numpy(weights)
    with torch.inference_mode():
        found = layer(torch.from_numpy(picture)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(found, same_convolution(picture, weights, stride), atol=1e-12)


@pytest.mark.parametrize(("pixels", "side"), [(224, 7), (64, 2), (100, 4)])
def test_feature_map_has_a_cell_for_each_32_pixels(pixels: int, side: int) -> None:
    net = EfficientNetLite0().eval()
    with torch.inference_mode():
        maps, fine = net(torch.zeros(2, 3, pixels, pixels))
    assert maps.shape == (2, FEATURE_CHANNELS, side, side)
    assert fine.shape == (2, FINE_CHANNELS, -(-pixels // 16), -(-pixels // 16))


def test_folded_norms_change_a_map_by_rounding_only() -> None:
    torch.manual_seed(0)
    net = EfficientNetLite0().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):  # the usual start lets nothing through 50 layers
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.weight, module.running_var):
                values.data.uniform_(0.7, 1.4)
            for values in (module.bias, module.running_mean):
                values.data.uniform_(-0.3, 0.3)
    picture = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        before = net(picture)
        net.fold_norms()
        after = net(picture)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    for one, other in zip(before, after, strict=True):
        assert one.std() > 0.01
        assert (one - other).abs().max() < 1e-4 * one.abs().max()


def test_pictures_are_scaled_and_squashed_to_a_square() -> None:
    dark, bright = np.zeros((30, 50, 3), np.uint8), np.full((300, 200, 3), 255, np.uint8)
    dark[..., 0] = 127  # red stays the first channel
    found = network_input([dark, bright], pixels=64)
    assert found.shape == (2, 3, 64, 64)
    assert (found[0, 0] == 0).all()
    assert (found[0, 1:] == -127 / 128).all()
    assert (found[1] == 1).all()


def centre_crop(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As the network was evaluated: the middle square, 7/8 of the shorter side."""
    height, width = picture.shape[:2]
    side = min(height, width) * 7 // 8
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


@pytest.fixture(scope="module")
def pretrained(lite_folder: Path) -> EfficientNetLite0:
    net = EfficientNetLite0()
    with safe_open(lite_folder / "model.safetensors", framework="pt") as tensors:
        names = [n for n in tensors.keys() if n.startswith("vision.")]  # noqa: SIM118
        net.load_state_dict({n.removeprefix("vision."): tensors.get_tensor(n) for n in names})
    return net.eval()


@pytest.mark.lite
@pytest.mark.parametrize("name", SAMPLES)
def test_real_pictures_are_named_rightly(pretrained: EfficientNetLite0, name: str) -> None:
    from sklearn.datasets import load_sample_image

    picture = centre_crop(load_sample_image(name))
    with torch.inference_mode():
        logits = pretrained.classify(network_input([picture], pixels=224))[0]
    assert int(logits.argmax()) == SAMPLES[name]
    assert float(logits.softmax(dim=0).max()) > 0.25


@pytest.mark.lite
def test_symmetric_padding_would_be_less_sure(
    pretrained: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.datasets import load_sample_images

    crops = [centre_crop(picture) for picture in load_sample_images().images]
    pictures = network_input(crops, pixels=224)
    classes = list(SAMPLES.values())
    with torch.inference_mode():
        same = pretrained.classify(pictures).softmax(dim=1)
        monkeypatch.setattr(SameConv2d, "forward", _symmetric_forward)
        symmetric = pretrained.classify(pictures).softmax(dim=1)
    assert same[[0, 1], classes].sum() > symmetric[[0, 1], classes].sum()


def _symmetric_forward(layer: SameConv2d, x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.conv2d(
        x,
        layer.weight,
        stride=layer.stride,
        padding=layer.kernel_size[0] // 2,
        groups=layer.groups,
    )
