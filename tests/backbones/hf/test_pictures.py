"""Pixels equal to those of the library's own processors (PIL) on frames of many shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.backbones.hf import pictures
from hiprobe.segment import Frame

SHAPES = [(240, 320), (90, 161), (37, 21), (448, 448), (333, 250)]
# a rounding of the normalised values, far below one step of 1/255
CLOSE = {"rtol": 0.0, "atol": 1e-5}


def picture(height: int, width: int) -> Frame:
    rng = np.random.default_rng(height * width)
    coarse = rng.integers(0, 256, (8, 8, 3)).astype(np.float32)
    rows, columns = (np.linspace(0, 7.99, n).astype(int) for n in (height, width))
    noise = rng.normal(0, 20, (height, width, 3))
    return np.clip(coarse[rows][:, columns] + noise, 0, 255).astype(np.uint8)


def library(processor: Any, frames: list[Frame], **settings: Any) -> dict[str, NDArray[Any]]:
    return dict(processor.preprocess(frames, return_tensors="np", **settings))


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_internvl_sees_one_tile_as_the_library_makes_it(height: int, width: int) -> None:
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    frame = picture(height, width)
    mean, std = pictures.IMAGENET
    processor = GotOcr2ImageProcessorPil(
        size={"height": 448, "width": 448}, image_mean=list(mean), image_std=list(std)
    )
    scale = pictures.read_scale({}, defaults=pictures.IMAGENET)
    ours = pictures.square_pixels([frame], size=(448, 448), scale=scale)
    np.testing.assert_allclose(ours, library(processor, [frame])["pixel_values"], **CLOSE)


@pytest.mark.parametrize(("height", "width"), [*SHAPES, (20, 700), (1080, 1920)])
def test_qwen_patches_and_grid_are_the_librarys(height: int, width: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    frame = picture(height, width)
    size = {"shortest_edge": 56 * 56, "longest_edge": 448 * 448}
    theirs = library(Qwen2VLImageProcessorPil(size=size), [frame])
    high, wide = pictures.budget_size(
        height=height, width=width, factor=28, least=56 * 56, most=448 * 448
    )
    assert [[1, high // 14, wide // 14]] == theirs["image_grid_thw"].tolist()
    scale = pictures.read_scale({}, defaults=pictures.CLIP)
    pixels = scale.normalise(scale.resize(frame, height=high, width=wide))
    ours = pictures.patch_rows(np.stack([pixels, pixels]), patch=14, merge=2)
    np.testing.assert_allclose(ours, theirs["pixel_values"], **CLOSE)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_smolvlm_without_splitting_is_the_librarys(height: int, width: int) -> None:
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    frame = picture(height, width)
    edge = {"longest_edge": 128}
    processor = SmolVLMImageProcessorPil(do_image_splitting=False, size=edge, max_image_size=edge)
    scale = pictures.read_scale({}, defaults=pictures.HALVES, resample=1)
    ours = pictures.twice_resized(frame, edge=128, scale=scale)
    np.testing.assert_allclose(ours, library(processor, [frame])["pixel_values"][0, 0], **CLOSE)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_llava_frames_are_those_of_the_towers_processor(height: int, width: int) -> None:
    """LLaVA-OneVision's video processor needs torchvision; SigLIP's does the same to a frame."""
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    frame = picture(height, width)
    processor = SiglipImageProcessorPil(size={"height": 384, "width": 384}, resample=3)
    scale = pictures.read_scale({}, defaults=pictures.HALVES)
    ours = pictures.square_pixels([frame], size=(384, 384), scale=scale)
    np.testing.assert_allclose(ours, library(processor, [frame])["pixel_values"], **CLOSE)


def test_a_repeated_array_is_prepared_once_and_stands_where_it_was() -> None:
    one, two = picture(20, 30), picture(30, 20)
    unique, order = pictures.unique_frames([one, one, two, one])
    assert len(unique) == 2
    assert order == [0, 0, 1, 0]
    scale = pictures.read_scale({}, defaults=pictures.HALVES)
    pixels = pictures.square_pixels([one, one, two, one], size=(8, 8), scale=scale)
    assert (pixels[0] == pixels[3]).all()
    assert (pixels[0] != pixels[2]).any()


def test_settings_of_the_folder_come_before_those_of_the_family() -> None:
    given = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "resample": 2}
    scale = pictures.read_scale(given, defaults=pictures.CLIP)
    assert scale == pictures.Scale(mean=(0.1, 0.2, 0.3), std=(1, 1, 1), resample=2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 1000), (1000, 3), (64, 64)])
def test_the_budget_holds_for_any_shape(height: int, width: int) -> None:
    high, wide = pictures.budget_size(height=height, width=width, factor=28, least=3136, most=50176)
    assert high % 28 == wide % 28 == 0
    assert min(high, wide) >= 28
