"""Memory that runs out inside a real model: smaller batches, and in the end a failed segment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hf_models import LAYERS

sys.path.append(str(Path(__file__).parents[2] / "pipeline"))
from pipeline_parts import write_video

from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.errors import BackboneMemoryError
from hiprobe.pipeline import extract_prompts, extract_video
from hiprobe.pipeline.reading import ExtractionSettings

SETTINGS = ExtractionSettings(layers=(1, LAYERS), batch_segments=4)
Folder = Callable[[str], Path]
# more than any machine has: the allocator itself raises
TOO_MUCH = 2**60


@contextmanager
def tight(backbone: HfBackbone, fits: Callable[[torch.Tensor], bool]) -> Iterator[list[int]]:
    """A decoder that really asks for too much memory when its input does not fit."""
    sizes: list[int] = []

    def before(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        hidden = given[0] if given else named["hidden_states"]
        sizes.append(len(hidden))
        if not fits(hidden):
            torch.empty(TOO_MUCH, dtype=torch.uint8)

    hook = backbone.decoder.layers[0].register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield sizes
    finally:
        hook.remove()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(
        tmp_path_factory.mktemp("video") / "v.mp4", frames=24 * 6, bright=range(48, 72)
    )


def test_a_batch_that_does_not_fit_is_halved_and_gives_the_same_states(
    model_folder: Folder, video: Path
) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    expected = extract_video(video, backbone=backbone, settings=SETTINGS).states["last"]
    with tight(backbone, lambda hidden: len(hidden) <= 1) as sizes:
        found = extract_video(video, backbone=backbone, settings=SETTINGS).states["last"]
    assert sizes[:3] == [4, 2, 1]
    assert not found.failed.any()
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-4)


def test_several_prompts_are_halved_too_before_and_behind_what_they_share(
    model_folder: Folder, video: Path
) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    prompts = ("What moves?", "Is it dark in here, or only late?")
    expected = extract_prompts(video, backbone=backbone, prompts=prompts, settings=SETTINGS)
    lengths: list[int] = []

    def fits_behind(hidden: torch.Tensor) -> bool:
        """The prefix of two segments fits, and what stands behind it of one."""
        lengths.append(hidden.shape[1])
        return len(hidden) <= (2 if hidden.shape[1] == max(lengths) else 1)

    for fits in (lambda hidden: len(hidden) <= 1, fits_behind):
        with tight(backbone, fits) as sizes:
            found = extract_prompts(video, backbone=backbone, prompts=prompts, settings=SETTINGS)
        assert sizes[0] == 4 and sizes.count(1) == 3 * 6
        for prompt in prompts:
            states = found[prompt].states["last"]
            assert not states.failed.any()
            np.testing.assert_allclose(
                states.values, expected[prompt].states["last"].values, rtol=1e-4, atol=1e-4
            )


def test_a_segment_that_does_not_fit_alone_is_failed_and_holds_no_states(
    model_folder: Folder, video: Path
) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    values = extract_video(video, backbone=backbone, settings=SETTINGS).states["last"].values
    passes: list[float] = []

    def fits(hidden: torch.Tensor) -> bool:
        """All segments by themselves but the third of those that are looked at."""
        if len(hidden) > 1:
            return False
        passes.append(float(hidden.sum()))
        return len(passes) != 3

    with tight(backbone, fits):
        found = extract_video(video, backbone=backbone, settings=SETTINGS).states["last"]
    assert found.failed.tolist() == [False, False, True, False, False, False]
    assert (found.values[found.failed] == 0).all()
    np.testing.assert_allclose(
        found.values[~found.failed], values[~found.failed], rtol=1e-4, atol=1e-4
    )


def test_where_nothing_fits_the_video_is_an_error(model_folder: Folder, video: Path) -> None:
    backbone = load_hf(model_folder("internvl"), dtype="float32")
    with (
        tight(backbone, lambda _: False),
        pytest.raises(BackboneMemoryError, match="one at a time"),
    ):
        extract_video(video, backbone=backbone, settings=SETTINGS)
