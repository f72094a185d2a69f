"""Four seconds of pictures with a hole of four hours, from the file to its events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline_parts import BrightProbe, ColourBackbone, Interrupting, write_video

from hiprobe.datasets.score_files import read_scores
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.pipeline import ExtractionSettings, ProgressEvent, detect_video, extract_video
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.segment import WHOLE
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache

HOLE_SECONDS = 4 * 3600.0
SETTINGS = ExtractionSettings(batch_segments=1, checkpoint_segments=1)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """96 frames at 24 a second, bright around the hole in the middle: 36 to 59."""
    return write_holed(tmp_path / "v.mkv")


def write_holed(path: Path, *, hole_seconds: float = HOLE_SECONDS) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(96):
            level = 220 if 36 <= number < 60 else 20 + number % 24
            picture = np.full((48, 64, 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number + (round(hole_seconds * 24) if number >= 48 else 0)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_events_end_at_the_gap(video: Path) -> None:
    found = detect_video(
        video,
        probe=BrightProbe(),
        backbone=ColourBackbone(),
        settings=ExtractionSettings(segment_frames=12),
    )
    start, end = found.states.start_seconds, found.states.end_seconds
    assert len(start) == 8 and (end - start).max() < 0.6
    assert found.timeline.gaps == (pytest.approx((2.0, HOLE_SECONDS + 2), abs=2e-3),)
    assert found.real_time_factor is not None
    assert found.real_time_factor * found.elapsed_seconds == pytest.approx(4.0, abs=0.01)


def test_progress_counts_pictures(video: Path) -> None:
    events: list[ProgressEvent] = []
    extract_video(video, backbone=ColourBackbone(), progress=events.append)
    assert events[-1].seconds_of_video == pytest.approx(4.0, abs=0.01)


def test_progress_knows_the_number_of_segments_from_the_number_of_frames(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    path = write_holed(tmp_path / "v.mp4")
    extract_video(path, backbone=ColourBackbone(), progress=events.append)
    assert {e.total for e in events} == {4}


def test_an_interrupted_run_goes_on_behind_the_gap(video: Path, tmp_path: Path) -> None:
    cache, broken = StatesCache(tmp_path / "cache"), Interrupting()
    broken.at = 3
    with pytest.raises(KeyboardInterrupt):
        extract_video(video, backbone=broken, cache=cache, settings=SETTINGS)
    resumed = ColourBackbone()
    found = extract_video(video, backbone=resumed, cache=cache, settings=SETTINGS).states["last"]
    assert resumed.seen == [3]
    straight = extract_video(video, backbone=ColourBackbone()).states["last"]
    np.testing.assert_array_equal(found.start_seconds, straight.start_seconds)
    np.testing.assert_array_equal(found.end_seconds, straight.end_seconds)
    np.testing.assert_array_equal(found.values, straight.values)


def kept_before(path: Path, cache: StatesCache, *, spans_gap: bool) -> VideoStates:
    """States as a version that knew no gaps left them in the cache, marked by their values."""
    backbone = ColourBackbone()
    found = extract_video(path, backbone=backbone).states["last"]
    ends = found.end_seconds.copy()
    if spans_gap:
        ends[:-1] = found.start_seconds[1:]
    old = VideoStates({"last": replace(found, end_seconds=ends, values=found.values * 0)})
    settings = ExtractionSettings().key_parts_without_gaps("segments", WHOLE)
    key = cache.key(path, settings=settings, fingerprint=backbone.fingerprint)
    cache.put(key, old, video=path)
    return old


def test_states_kept_before_are_used_where_no_gap_can_be(tmp_path: Path) -> None:
    path, cache = write_video(tmp_path / "v.mp4", frames=60), StatesCache(tmp_path / "cache")
    old = kept_before(path, cache, spans_gap=False)
    backbone = ColourBackbone()
    found = extract_video(path, backbone=backbone, cache=cache).states["last"]
    assert backbone.seen == []
    np.testing.assert_array_equal(found.values, old.states["last"].values)


def test_states_kept_before_of_a_video_with_a_gap_are_made_anew(
    video: Path, tmp_path: Path
) -> None:
    cache = StatesCache(tmp_path / "cache")
    kept_before(video, cache, spans_gap=True)
    backbone = ColourBackbone()
    found = extract_video(video, backbone=backbone, cache=cache).states["last"]
    assert backbone.seen == [0, 1, 2, 3] and found.values.any()
    again = ColourBackbone()
    extract_video(video, backbone=again, cache=cache)
    assert again.seen == []


def test_detections_with_a_gap_are_evaluated_by_frames(video: Path, tmp_path: Path) -> None:
    found = detect_video(
        video,
        probe=BrightProbe(),
        backbone=ColourBackbone(),
        settings=ExtractionSettings(segment_frames=12),
    )
    document = timeline_document(found.timeline, video="v.mkv", probe={})
    write_json(document, tmp_path / "v.json")
    truth = Truth("own", (VideoTruth("v.mkv", 96, ((36, 60),)),), fps=24.0)
    scores = read_scores(tmp_path / "v.json", truth=truth)["v.mkv"]
    np.testing.assert_array_equal(scores, np.repeat(found.timeline.smoothed, 12))
