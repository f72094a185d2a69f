"""Frames shown as a video: pixels, placeholders, times and positions are the library's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from backbone_cases import moving_square, segment_of
from hf_models import CONFIGS, LAYERS, UNCOUNTED
from test_pictures import picture
from transformers.models.internvl.processing_internvl import InternVLProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
    smart_resize as qwen2_resize,
)
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import (
    Qwen3VLVideoProcessor,
    smart_resize,
)
from transformers.video_utils import VideoMetadata

from hiprobe.backbones.hf import pictures
from hiprobe.backbones.hf.families import build_family, number_word
from hiprobe.backbones.hf.family import Family, Parts
from hiprobe.backbones.hf.hf_load import load_hf
from hiprobe.backbones.hf.hf_model import HfBackbone
from hiprobe.errors import BackboneError, UsageError
from hiprobe.segment import Segment, key_frame_positions
from hiprobe.spec import BackboneSpec

Folder = Callable[[str], Path]
SEGMENT = moving_square(seed=1)
QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
TIMED = ("qwen2_5_vl", "qwen3_vl", "smolvlm")
POSITIONS = key_frame_positions(frame_count=24)


def family_of(kind: str, *, frames_as: str | None = None, **videos: Any) -> Family:
    """A family by its small config, its tokens written as `<id>`."""
    parts = Parts({**CONFIGS, **UNCOUNTED}[kind](), {}, videos, token=lambda i: f"<{i}>")
    return build_family(parts, frames_as=frames_as)


def library_video(fps: float) -> VideoMetadata:
    """What the library knows of 8 key frames of a video of 24 frames."""
    return VideoMetadata(24, fps=fps, duration=24 / fps, frames_indices=list(POSITIONS))


def times(fps: float) -> list[float]:
    return [position / fps for position in POSITIONS]


def moved(segment: Segment, *, by: float = 0.0, stretched: float = 1.0) -> Segment:
    """The same frames later in the video, or further apart."""
    start = segment.start_seconds + by
    seconds = (start + stretched * t for t in segment.frame_offsets_seconds)
    end = start + stretched * segment.duration_seconds
    return replace(segment, start_seconds=start, end_seconds=end, frame_seconds=tuple(seconds))


@pytest.mark.parametrize("frames", [2, 3, 5, 8, 16])
@pytest.mark.parametrize(
    ("height", "width"), [(240, 320), (90, 161), (20, 700), (31, 40), (1080, 1920)]
)
def test_qwen3_sizes_of_a_video_are_the_librarys(frames: int, height: int, width: int) -> None:
    for least, most in ((4096, 25165824), (128 * 1024, 768 * 1024), (10**6, 2 * 10**6)):
        theirs = smart_resize(
            num_frames=frames,
            height=height,
            width=width,
            temporal_factor=2,
            factor=32,
            min_pixels=least,
            max_pixels=most,
        )
        ours = pictures.video_size(
            frames=frames, height=height, width=width, factor=32, together=2, least=least, most=most
        )
        assert ours == theirs


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("kind", ["qwen2_5_vl", "qwen3_vl"])
def test_qwen_patches_of_a_video_are_those_of_the_published_formula(kind: str, count: int) -> None:
    """The library's video processor resizes by torchvision, so that all but its resize is asked.

    Patches are cut by its own `patchify` (the same in all Qwen models), of frames that Pillow
    resized to the size of its own formula, and normalised as it says.
    """
    frames = [picture(50, 70 + n)[:, :70] for n in range(count)]
    made = family_of(kind, size={"shortest_edge": 1024, "longest_edge": 10**7}).read(
        frames, [0.1 * n for n in range(count)]
    )
    depth = -(-count // 2)
    if kind == "qwen3_vl":
        size, colours = smart_resize(max(2, count), 50, 70, 2, 8, 1024, 10**7), pictures.HALVES
    else:
        size, colours = qwen2_resize(50, 70, 8, 1024, 10**7), pictures.CLIP
    scale = pictures.Scale(*colours, resample=3)
    resized = [scale.normalise(scale.resize(f, height=size[0], width=size[1])) for f in frames]
    flat, *grid = Qwen3VLVideoProcessor().patchify(
        torch.from_numpy(np.stack(resized))[None],
        patch_size=4,
        merge_size=2,
        temporal_patch_size=2,
    )
    assert made.tensors["video_grid_thw"].tolist() == [grid]
    assert grid[0] == depth
    torch.testing.assert_close(made.tensors["pixel_values_videos"], flat[0], rtol=0, atol=1e-6)


def test_qwen_pixels_are_near_those_of_the_librarys_video_processor() -> None:
    """Where torchvision works, its resize is met to within what two bicubic filters differ."""
    frames = np.stack([picture(64, 96)[:50, :70] for _ in range(4)])
    processor = Qwen3VLVideoProcessor(
        patch_size=4, size={"shortest_edge": 1024, "longest_edge": 10**7}
    )
    try:
        theirs = processor(frames, do_sample_frames=False, return_tensors="pt")
    except (ImportError, NameError, AttributeError):
        pytest.skip("the library's video processors resize by torchvision, which does not run here")
    family = family_of("qwen3_vl", size={"shortest_edge": 1024, "longest_edge": 10**7})
    ours = family.read(list(frames), [0.0, 0.1, 0.2, 0.3]).tensors
    assert ours["video_grid_thw"].tolist() == theirs["video_grid_thw"].tolist()
    apart = (ours["pixel_values_videos"] - theirs["pixel_values_videos"]).abs()
    assert float(apart.mean()) < 2 / 127.5


@pytest.mark.parametrize("fps", [60.0, 50.0, 30.0, 30000 / 1001, 25.0, 24.0, 15.0, 12.0, 1.0, 0.2])
def test_qwen3_is_told_the_times_that_its_own_processor_tells(fps: float) -> None:
    """At rates where no time lies just between two tenths: there a float's last bit decides."""
    family = family_of("qwen3_vl")
    made = family.read(SEGMENT.frames, times(fps))
    own = SimpleNamespace(
        video_processor=SimpleNamespace(merge_size=2, temporal_patch_size=2),
        vision_start_token=f"<{CONFIGS['qwen3_vl']().vision_start_token_id}>",
        vision_end_token=f"<{CONFIGS['qwen3_vl']().vision_end_token_id}>",
        video_token=f"<{family.visual_token}>",
        _calculate_timestamps=lambda *given: Qwen3VLProcessor._calculate_timestamps(None, *given),
    )
    inputs = {
        "video_grid_thw": made.tensors["video_grid_thw"],
        "video_metadata": [library_video(fps)],
    }
    assert made.lead == Qwen3VLProcessor.replace_video_token(own, inputs, 0)


@pytest.mark.parametrize("fps", [60.0, 50.0, 30.0, 30000 / 1001, 25.0, 24.0, 15.0, 10.0, 1.0, 0.2])
def test_qwen2_5_is_told_the_seconds_of_a_step_as_by_its_own_processor(fps: float) -> None:
    told = family_of("qwen2_5_vl").read(SEGMENT.frames, times(fps)).tensors["second_per_grid_ts"]
    assert float(told[0]) == pytest.approx(2 / library_video(fps).sampled_fps, abs=0.005)


def test_a_container_that_rounds_its_times_moves_no_position() -> None:
    """24 frames a second in whole milliseconds: what a Matroska file keeps."""
    family = family_of("qwen2_5_vl")
    for first in (0, 1, 2, 7):
        marks = [round((first + p) / 24, 3) - round(first / 24, 3) for p in POSITIONS]
        assert float(family.read(SEGMENT.frames, marks).tensors["second_per_grid_ts"]) == 0.25


def test_internvl_reads_videos_as_its_own_processor_writes_them() -> None:
    family = family_of("internvl")
    own = SimpleNamespace(
        start_image_token="<img>",
        end_image_token="</img>",
        image_token=f"<{family.visual_token}>",
        image_seq_length=4,
    )
    made = family.read(SEGMENT.frames, times(25))
    text = InternVLProcessor.replace_video_token(
        own, {"pixel_values_videos": [np.stack(SEGMENT.frames)]}, 0
    )
    assert made.lead == text + "\n"


def test_llava_onevision_has_as_many_tokens_as_its_own_processor_writes() -> None:
    family = family_of("llava_onevision")
    own = SimpleNamespace(num_image_tokens=9, video_token=f"<{family.visual_token}>")
    made = family.read(SEGMENT.frames, times(25))
    videos = {"pixel_values_videos": made.tensors["pixel_values_videos"]}
    assert made.lead == LlavaOnevisionProcessor.replace_video_token(own, videos, 0) + "\n"


@pytest.mark.parametrize(
    ("fps", "length", "clock"),
    [
        (24.0, "0:00:01", ["00:00"] * 8),
        (30.0, "0:00:00", ["00:00"] * 8),
        (0.2, "0:02:00", [f"{5 * p // 60:02d}:{5 * p % 60:02d}" for p in POSITIONS]),
    ],
)
def test_smolvlm_is_told_how_many_frames_and_when(
    fps: float, length: str, clock: list[str]
) -> None:
    """Its processor needs num2words, so that the published words stand here."""
    family = family_of("smolvlm")
    token = f"<{family.visual_token}>"
    image = f"<fake_token_around_image><global-img>{token * 4}<fake_token_around_image>"
    shown = "".join(f"\nFrame from {c}:{image}" for c in clock)
    intro = f"You are provided the following series of eight frames from a {length} [H:MM:SS] video"
    found = family.read(SEGMENT.frames, times(fps)).lead
    assert found == f"{intro}.\n{shown}\n\n"
    seconds = library_video(fps).timestamps
    assert clock == [f"{int(s // 60):02d}:{int(s % 60):02d}" for s in seconds]


def test_numbers_are_told_in_words() -> None:
    found = [number_word(n) for n in (1, 8, 13, 19, 20, 32, 64, 99, 100)]
    words = ["one", "eight", "thirteen", "nineteen", "twenty", "thirty-two", "sixty-four"]
    assert found == [*words, "ninety-nine", "100"]


@torch.inference_mode()
def positions_of(backbone: HfBackbone, segments: Sequence[Segment]) -> torch.Tensor:
    """Position ids that the decoder gets when states are read."""
    seen: list[torch.Tensor] = []

    def watch(_: Any, __: Any, named: dict[str, Any]) -> None:
        seen.append(named["position_ids"])

    hook = backbone.decoder.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        backbone.states(segments, layers=[1])
    finally:
        hook.remove()
    assert len(seen) == 1, "segments of one size share a pass"
    return seen[0]


@pytest.mark.parametrize("way", ["video", "pictures"])
@pytest.mark.parametrize("family", QWEN)
def test_positions_are_those_of_the_librarys_rope_index(
    model_folder: Folder, family: str, way: str
) -> None:
    backbone = load_hf(model_folder(family), dtype="float32", frames_as=way)
    slow = moved(moving_square(seed=2), stretched=1.0 if family == "qwen3_vl" else 40.0)
    found = positions_of(backbone, [SEGMENT, slow])
    for row, segment in enumerate((SEGMENT, slow)):
        ready = backbone.inputs([_prepared(backbone, segment)])
        asked = {k: v for k, v in ready.items() if not k.startswith("pixel_values")}
        expected, _ = backbone.model.model.get_rope_index(**asked)
        torch.testing.assert_close(found[:, row : row + 1], expected)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_time_positions_of_qwen2_5_follow_the_seconds(model_folder: Folder, dtype: str) -> None:
    backbone = load_hf(model_folder("qwen2_5_vl"), dtype=dtype)
    slow = moved(SEGMENT, stretched=41.0)  # 10.25 s from one pair of frames to the next
    found = positions_of(backbone, [slow])[0, 0]
    ids = torch.tensor(_prepared(backbone, slow).ids)
    steps = found[ids == backbone.family.visual_token].unique()
    rate = backbone.model.config.vision_config.tokens_per_second
    assert (steps - steps[0]).tolist() == [int(rate * 10.25 * n) for n in range(4)]


def _prepared(backbone: HfBackbone, segment: Segment) -> Any:
    return backbone.prepare(
        segment.frames, prompt=backbone.prompt, frame_seconds=segment.frame_offsets_seconds
    )


@pytest.mark.parametrize("family", TIMED)
def test_times_count_but_not_where_the_segment_lies(model_folder: Folder, family: str) -> None:
    backbone = load_hf(model_folder(family), dtype="float32")
    layers = [LAYERS]
    here, later, slow = (
        backbone.states([s], layers=layers)["last"]
        for s in (SEGMENT, moved(SEGMENT, by=4096.0), moved(SEGMENT, stretched=64.0))
    )
    np.testing.assert_array_equal(here, later)
    assert np.abs(here - slow).max() > 1e-3 * np.abs(here).max()


@pytest.mark.parametrize("family", QWEN)
def test_a_video_takes_half_the_tokens_of_pictures(model_folder: Folder, family: str) -> None:
    found = []
    for way in ("video", "pictures"):
        backbone = load_hf(model_folder(family), dtype="float32", frames_as=way)
        ids = torch.tensor([_prepared(backbone, SEGMENT).ids])
        found.append(int(backbone.family.is_visual(ids).sum()))
    assert found[1] == 2 * found[0] > 0


@pytest.mark.parametrize("family", QWEN)
def test_one_frame_fills_a_pair_and_an_odd_one_stands_twice(family: str) -> None:
    videos = family_of(family)
    three = videos.read(SEGMENT.frames[:3], [0.0, 0.1, 0.2]).tensors
    four = videos.read([*SEGMENT.frames[:3], SEGMENT.frames[2]], [0.0, 0.1, 0.2, 0.2]).tensors
    assert torch.equal(three["pixel_values_videos"], four["pixel_values_videos"])
    one = videos.read(SEGMENT.frames[:1], [0.0]).tensors
    assert one["video_grid_thw"][0, 0] == 1


@pytest.mark.parametrize("family", TIMED)
def test_the_way_is_part_of_the_fingerprint_and_found_again(
    model_folder: Folder, family: str
) -> None:
    video, shown = (load_hf(model_folder(family), frames_as=w) for w in (None, "pictures"))
    assert video.fingerprint.settings["frames_as"] == "video"
    assert video.fingerprint.digest != shown.fingerprint.digest
    assert "frames_as" in video.fingerprint.difference(shown.fingerprint)
    like = BackboneSpec().like(shown.fingerprint)
    assert like.frames_as == "pictures"
    assert BackboneSpec(frames_as="video").like(shown.fingerprint).frames_as == "video"
    again = load_hf(model_folder(family), frames_as=like.frames_as)
    assert again.fingerprint == shown.fingerprint


@pytest.mark.parametrize(
    ("family", "way"),
    [("internvl", "pictures"), ("llava_onevision", "pictures"), ("llava", "video")],
)
def test_a_way_that_a_model_does_not_have_is_refused(
    model_folder: Folder, family: str, way: str
) -> None:
    with pytest.raises(BackboneError, match="leave the option out"):
        load_hf(model_folder(family), frames_as=way)


def test_an_unknown_way_and_missing_times_are_refused(model_folder: Folder) -> None:
    with pytest.raises(UsageError, match="frames_as 'film'"):
        BackboneSpec(frames_as="film")
    backbone = load_hf(model_folder("qwen3_vl"))
    with pytest.raises(UsageError, match="8 frames and 3 times"):
        backbone.prepare(SEGMENT.frames, prompt="What?", frame_seconds=[0.0, 0.1, 0.2])
    with pytest.raises(UsageError, match="0 frames"):
        backbone.prepare([], prompt="What?")


def test_words_are_asked_for_with_the_times_of_the_frames(model_folder: Folder) -> None:
    backbone = load_hf(model_folder("qwen3_vl"), dtype="float32")
    seen: list[list[int]] = []
    hook = backbone.model.model.register_forward_pre_hook(
        lambda _, __, named: seen.append(named["input_ids"][0].tolist()), with_kwargs=True
    )
    for given in (None, [float(n) for n in range(8)]):
        backbone.describe(SEGMENT.frames, prompt="What?", max_new_tokens=1, frame_seconds=given)
    hook.remove()
    texts = [backbone.wording.tokenizer.decode(ids) for ids in seen]
    told = [re.findall(r"<([\d.]+) seconds>", text) for text in texts]
    assert told == [["0.1", "0.2", "0.5", "0.7"], ["0.5", "2.5", "4.5", "6.5"]]


def test_frames_of_two_sizes_make_one_video() -> None:
    frames = [np.zeros((48, 64, 3), np.uint8), np.zeros((24, 32, 3), np.uint8)]
    made = family_of("qwen2_5_vl").read(frames, [0.0, 0.1])
    assert made.tensors["video_grid_thw"].shape == (1, 3)
    assert segment_of(frames).frame_offsets_seconds == (0.25, 0.75)
