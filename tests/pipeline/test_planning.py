"""What a run will take: counted from headers, and from the rate of a backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from hiprobe.backbones.catalogue import stored_shapes
from hiprobe.backbones.cost import FRAME_PIXELS, count_segment
from hiprobe.backbones.model_rate import ModelRate, floor_rate
from hiprobe.errors import UsageError, VideoError
from hiprobe.pipeline.planning import Footage, RunPlan, Workers, savings
from hiprobe.segment import Cut, Stretch
from hiprobe.video.segments import read_segments
from hiprobe.video.video_info import video_extent

RATE = ModelRate(0.1, 0.01, FRAME_PIXELS, 8, "measured", "measured")


def write_clip(path: Path, *, frames: int, size: tuple[int, int] = (64, 48)) -> Path:
    with av.open(str(path), "w", format="h264" if path.suffix == ".h264" else None) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for n in range(frames):
            picture = np.full((size[1], size[0], 3), n % 255, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def plan(footage: Footage, **changes: object) -> RunPlan:
    known = RunPlan(
        footage=footage,
        with_clips=False,
        layers_read=10,
        depth=10,
        reading_count=1,
        prompt_count=1,
        layer_count=30,
        width=576,
        rate=RATE,
        shape=stored_shapes()["lite"],
        number_bytes=4,
        workers=Workers(0, 2),
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def footage(segments: int = 100) -> Footage:
    return Footage(4, 4, float(segments), 24 * segments, segments, segments // 4, 1.0, FRAME_PIXELS)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".h264"])
@pytest.mark.parametrize(
    "cut",
    [Cut(), Cut(segment_seconds=0.5), Cut(hop_frames=8), Cut(segment_seconds=1, hop_seconds=0.3)],
)
def test_segments_are_those_that_reading_gives(tmp_path: Path, suffix: str, cut: Cut) -> None:
    video = write_clip(tmp_path / f"a{suffix}", frames=61)
    read = list(
        read_segments(
            video,
            segment_frames=cut.segment_frames,
            segment_seconds=cut.segment_seconds,
            hop_frames=cut.hop_frames,
            hop_seconds=cut.hop_seconds,
        )
    )
    found = Footage.of([video], cut)
    assert abs(found.segment_count - len(read)) <= (suffix in (".ts", ".h264"))
    assert found.frame_pixels == (48, 64)
    assert bool(found.counted) == (suffix == ".h264")


def test_nothing_is_decoded(tmp_path: Path, decodings: list[Path]) -> None:
    Footage.of([write_clip(tmp_path / f"a{s}", frames=30) for s in (".mp4", ".h264")], Cut())
    assert not decodings


def test_a_stretch_counts_for_its_length_only(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4", frames=96)
    found = Footage.of([video], Cut(), stretches=[Stretch(1.0, 2.0)])
    assert (found.segment_count, found.frame_count) == (1, 24)
    with pytest.raises(VideoError, match="ends before 9"):
        Footage.of([video], Cut(), stretches=[Stretch(9.0)])


def test_of_many_files_some_headers_stand_for_all(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "a.mp4", frames=48)
    found = Footage.of([video] * 30, Cut(), most_headers=3)
    assert (found.opened_count, found.video_count, found.segment_count) == (3, 30, 60)


def test_files_that_cannot_be_opened_are_told(tmp_path: Path) -> None:
    good, bad = write_clip(tmp_path / "a.mp4", frames=24), tmp_path / "b.mp4"
    bad.write_bytes(b"no video")
    found = Footage.of([good, bad], Cut())
    assert [path for path, _ in found.unreadable] == [bad]
    with pytest.raises(VideoError, match="not a video"):
        Footage.of([bad], Cut())
    with pytest.raises(VideoError, match="not a video"):
        video_extent(bad)


def test_time_is_that_of_all_passes_and_of_decoding() -> None:
    found = plan(footage())
    assert found.seconds == pytest.approx(100 * 0.2 + 1.0 / 2)
    assert plan(footage(), with_clips=True).model_seconds == pytest.approx(104 * 0.2)
    assert plan(footage(), prompt_count=2, shape=None).model_seconds == pytest.approx(100 * 0.3)
    # the second prompt passes 21 of 53 positions, those that show no picture
    shared = 100 * (0.2 + 0.1 * 21 / 53)
    assert plan(footage(), prompt_count=2).model_seconds == pytest.approx(shared)
    beside = plan(footage(), workers=Workers(4, None))
    assert beside.seconds == pytest.approx(100 * 0.2 / 4)
    assert beside.cost(3.0) == pytest.approx(3.0 * 4 * beside.seconds / 3600)
    starved = plan(footage(), workers=Workers(4, 1, decoding_factor=100.0))
    assert starved.seconds == pytest.approx(100.0)
    assert starved.decoding_cores == pytest.approx(100.0 / (100 * 0.2 / 4))


def test_disk_and_memory_grow_with_what_is_kept() -> None:
    one, all_layers = plan(footage(), layers_read=1), plan(footage())
    assert one.cache_bytes == 100 * 4 * 576
    assert all_layers.cache_bytes == 10 * one.cache_bytes
    assert all_layers.memory_bytes - one.memory_bytes == 25 * 9 * 4 * 576
    measured = plan(footage(), layers_read=1, process_bytes=10**9)
    assert measured.memory_bytes == 10**9 + 25 * 4 * 576
    assert plan(footage(), shape=None).model_bytes is None


def test_memory_does_not_grow_with_a_day_of_video() -> None:
    hours, days = plan(footage(400_000)), plan(footage(40_000_000))
    assert days.memory_bytes == hours.memory_bytes < plan(footage()).memory_bytes + 1e8


def test_savings_leave_about_half() -> None:
    found = savings(plan(footage()), Cut(), tuple(stored_shapes().items()))
    # one layer costs a tenth of vision
    assert [s.option for s in found] == ["--segment-seconds 2", "--workers 2"]
    assert found[0].share == pytest.approx(10.5 / 20.5)
    assert 1 / 1.94 < found[1].share < 1 / 1.74
    for few in (replace(footage(), video_count=1), replace(footage(), video_count=3)):
        # a single short video is not shared out, and of three one is read alone
        assert [s.option for s in savings(plan(few), Cut())] == ["--segment-seconds 2"]
    long = plan(replace(footage(1200), video_count=3))
    assert "--workers 2" in [s.option for s in savings(long, Cut())]
    assert "--workers 2" not in [s.option for s in savings(long, Cut(hop_frames=12))]
    alone = plan(footage(), workers=Workers(0, 1))
    assert "--workers 2" not in [s.option for s in savings(alone, Cut())]
    deep = plan(footage(), rate=replace(RATE, base_seconds=0.0))
    options = {s.option: s.share for s in savings(deep, Cut())}
    assert options["--layer 4"] < 0.5
    large = stored_shapes()["internvl2.5-8b"]
    other = plan(footage(), shape=large, depth=30, workers=Workers(1, None))
    by_option = {s.option: s.share for s in savings(other, Cut(), tuple(stored_shapes().items()))}
    named = next(option for option in by_option if option.startswith("--backbone"))
    name = named.removeprefix("--backbone ")
    assert 0.3 < by_option[named] <= 0.5
    assert count_segment(stored_shapes()[name]).flops < count_segment(large).flops
    assert by_option["--workers 2"] == pytest.approx(0.5)


def test_a_rate_follows_the_operations_of_other_frames() -> None:
    shape = stored_shapes()["qwen2.5-vl-7b"]
    small = floor_rate(shape, 1e12, words="", frame_pixels=FRAME_PIXELS)
    whole = count_segment(shape, frame_pixels=FRAME_PIXELS).flops
    assert small.seconds(shape.layer_count) == pytest.approx(whole / 1e12)
    large = floor_rate(shape, 1e12, words="", frame_pixels=(720, 1280))
    moved = small.at(shape, frame_pixels=(720, 1280), key_frames=8)
    assert moved.base_seconds == pytest.approx(large.base_seconds)
    assert moved.layer_seconds == pytest.approx(large.layer_seconds)
    assert small.at(None, frame_pixels=(9, 9), key_frames=16).seconds(3) == pytest.approx(
        2 * small.seconds(3)
    )


def test_senseless_values_are_refused() -> None:
    with pytest.raises(UsageError, match="not within"):
        plan(footage(), depth=31)
    with pytest.raises(UsageError, match="negative"):
        ModelRate(-1.0, 0.0, FRAME_PIXELS, 8, "measured", "")
    with pytest.raises(UsageError, match="cores"):
        Workers(0, 0)
