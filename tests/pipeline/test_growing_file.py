"""A file that is still being written: said, not kept as if it were whole, done anew afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline_parts import BrightProbe, ColourBackbone, write_video

from hiprobe.cli.detect_report import remarks
from hiprobe.errors import VideoError
from hiprobe.pipeline import (
    ExtractionSettings,
    Stretch,
    detect_video,
    extract_clip,
    extract_video,
)
from hiprobe.pipeline.stream import extract_units
from hiprobe.segment import Segment
from hiprobe.states import Reading
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.decode import FrameReader

FRAMES = 24 * 8


@dataclass
class AtWork(ColourBackbone):
    """Does something once, while a video is read."""

    task: Callable[[], object] | None = None

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        task, self.task = self.task, None
        if task is not None:
            task()
        return super().states(segments, layers=layers, readings=readings)


@dataclass(frozen=True)
class Recording:
    """A file of which the second half comes later."""

    path: Path
    rest: bytes

    def go_on(self) -> None:
        with self.path.open("ab") as file:
            file.write(self.rest)


@pytest.fixture(params=["ts", "mkv"])
def recording(tmp_path: Path, request: pytest.FixtureRequest) -> Recording:
    whole = write_video(tmp_path / f"whole.{request.param}", frames=FRAMES, bright=range(96, 144))
    content = whole.read_bytes()
    half = len(content) // 2 // 188 * 188
    path = tmp_path / f"growing.{request.param}"
    path.write_bytes(content[:half])
    return Recording(path, content[half:])


@pytest.fixture
def cache(tmp_path: Path) -> StatesCache:
    return StatesCache(tmp_path / "cache")


def test_growth_is_said_and_nothing_is_kept(recording: Recording, cache: StatesCache) -> None:
    backbone = AtWork(task=recording.go_on)
    settings = ExtractionSettings(batch_segments=1, checkpoint_segments=1)
    with pytest.warns(UserWarning, match="still being written"):
        found = detect_video(
            recording.path, probe=BrightProbe(), backbone=backbone, settings=settings, cache=cache
        )
    assert found.outcome == found.timeline.ended == "truncated"
    assert not cache.entries()
    again = detect_video(
        recording.path, probe=BrightProbe(), backbone=backbone, settings=settings, cache=cache
    )
    assert (again.outcome, len(again.states)) == ("end", FRAMES // 24)
    assert len(cache.entries()) == 1


def test_the_rest_is_scored_when_it_is_there(recording: Recording, cache: StatesCache) -> None:
    backbone, probe = ColourBackbone(), BrightProbe()
    first = detect_video(recording.path, probe=probe, backbone=backbone, cache=cache)
    recording.go_on()
    second = detect_video(recording.path, probe=probe, backbone=backbone, cache=cache)
    assert len(first.states) < len(second.states) == FRAMES // 24
    assert second.outcome == "end"
    assert second.known_segments == 0


def test_clips_and_both_units_see_it_too(recording: Recording, cache: StatesCache) -> None:
    with pytest.warns(UserWarning, match="still being written"):
        clip = extract_clip(recording.path, backbone=AtWork(task=recording.go_on), cache=cache)
    assert clip.outcome == "truncated"
    with pytest.warns(UserWarning, match="still being written"):
        whole, parts = extract_units(
            recording.path,
            backbone=AtWork(task=recording.go_on),
            prompts=("what?",),
            cache=cache,
        )
    assert (whole["what?"].outcome, parts["what?"].outcome) == ("truncated", "truncated")
    assert not cache.entries()


def test_a_stretch_that_was_there_is_whole(recording: Recording) -> None:
    found = extract_video(
        recording.path,
        backbone=AtWork(task=recording.go_on),
        stretch=Stretch(0.0, 1.0),
    )
    assert found.outcome == "end"


def test_the_reader_of_frames_sees_it_alone(recording: Recording) -> None:
    reader = FrameReader(recording.path)
    frames = iter(reader)
    next(frames)
    recording.go_on()
    list(frames)
    assert reader.outcome == "truncated"


def test_a_fresh_file_gets_a_word(recording: Recording) -> None:
    recording.go_on()
    result = detect_video(recording.path, probe=BrightProbe(), backbone=ColourBackbone())
    assert result.seconds_since_change is not None
    for seconds, said in ((1.0, True), (60.0, False)):
        lines = remarks(result.timeline, replace(result, seconds_since_change=seconds))
        assert any("still being written" in line for line in lines) == said


def test_a_fresh_file_that_cannot_be_opened_gets_a_word(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", frames=24, bright=range(0))
    part = tmp_path / "part.mp4"
    content = whole.read_bytes()
    part.write_bytes(content[: content.index(b"moov")])
    later = time.time() + 3600
    os.utime(part, (later, later))  # as fresh as can be, however slow this machine
    with pytest.raises(VideoError, match="if it is still being written, run again"):
        extract_video(part, backbone=ColourBackbone())
