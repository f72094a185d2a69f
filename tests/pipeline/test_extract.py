import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import BrightProbe, ColourBackbone, Interrupting, write_video

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import read_clips
from hiprobe.errors import (
    BackboneMemoryError,
    FingerprintError,
    StatesError,
    UsageError,
    VideoError,
)
from hiprobe.pipeline import (
    ExtractionSettings,
    ProgressEvent,
    Prompts,
    Stretch,
    detect_video,
    explain,
    extract_clip,
    extract_examples,
    extract_video,
)
from hiprobe.segment import Segment
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import write_states
from hiprobe.timeline import Event
from hiprobe.video.segments import SegmentTimes


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", frames=24 * 9 + 5, bright=range(96, 144))


def decoders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "hiprobe-decode"]


def test_the_test_backbone_keeps_the_interface() -> None:
    assert isinstance(ColourBackbone(), Backbone)


def test_all_segments_all_layers_and_two_readings(video: Path) -> None:
    events: list[ProgressEvent] = []
    backbone = ColourBackbone()
    found = extract_video(
        video,
        backbone=backbone,
        progress=events.append,
        settings=ExtractionSettings(batch_segments=3, readings=("last", "visual_mean")),
    )
    states = found.states["last"]
    assert states.values.shape == (10, 5, 7) and states.layers == (1, 2, 3, 4, 5)
    assert found.outcome == "end" and not states.failed.any()
    np.testing.assert_allclose(states.start_seconds, np.arange(10.0), atol=1e-3)
    assert states.end_seconds[-1] == pytest.approx(9 + 5 / 24, abs=1e-3)
    np.testing.assert_allclose(
        found.states["visual_mean"].values, states.values + 1, rtol=1e-5, atol=1e-6
    )
    assert backbone.seen == list(range(10))
    assert [e.done for e in events] == [3, 6, 9, 10] and {e.total for e in events} == {10}
    assert events[-1].eta_seconds == 0 and events[0].eta_seconds > 0  # type: ignore[operator]
    assert events[-1].seconds_of_video == pytest.approx(9.2, abs=0.1)
    assert not decoders()


def test_the_batch_size_does_not_change_the_states(video: Path) -> None:
    one = extract_video(
        video, backbone=ColourBackbone(), settings=ExtractionSettings(batch_segments=1)
    ).states["last"]
    many = extract_video(
        video, backbone=ColourBackbone(), settings=ExtractionSettings(batch_segments=64)
    ).states["last"]
    np.testing.assert_array_equal(one.values, many.values)


def test_a_stretch_and_other_segments(video: Path) -> None:
    found = extract_video(
        video,
        backbone=ColourBackbone(),
        stretch=Stretch(4.0, 6.0),
        settings=ExtractionSettings(segment_seconds=0.5),
    )
    states = found.states["last"]
    np.testing.assert_allclose(states.start_seconds, [4, 4.5, 5, 5.5], atol=0.05)


def test_a_whole_clip_is_one_row(video: Path) -> None:
    found = extract_clip(
        video, backbone=ColourBackbone(), settings=ExtractionSettings(layers=(2, 4))
    )
    assert found.clip["last"].values.shape == (1, 2, 7) and not found.states
    assert found.clip["last"].end_seconds[0] == pytest.approx(9 + 5 / 24, abs=1e-3)


@pytest.mark.parametrize("layers", [(0, 6), (-1,), ()])
def test_layers_that_do_not_exist(video: Path, layers: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="layers"):
        extract_video(video, backbone=ColourBackbone(), settings=ExtractionSettings(layers=layers))


def test_the_cache_spares_the_backbone(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    first = extract_video(video, backbone=ColourBackbone(), cache=cache).states["last"]
    whole = extract_clip(video, backbone=ColourBackbone(), cache=cache).clip["last"]
    again = ColourBackbone()
    found = extract_video(
        video, backbone=again, cache=cache, settings=ExtractionSettings(layers=(4,))
    ).states["last"]
    np.testing.assert_array_equal(found.values, first.values[:, [3]])
    clip = extract_clip(video, backbone=again, cache=cache).clip["last"]
    np.testing.assert_array_equal(clip.values, whole.values)
    assert again.seen == []
    other = ColourBackbone(prompt="who?")
    extract_video(video, backbone=other, cache=cache)
    extract_video(video, backbone=other, cache=cache, settings=ExtractionSettings(key_frames=4))
    assert len(other.seen) == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("defect")])
def test_an_interrupted_run_stops_the_thread_and_goes_on_later(
    video: Path, tmp_path: Path, error: BaseException
) -> None:
    cache = StatesCache(tmp_path / "cache")
    broken = Interrupting()
    broken.error = error
    with pytest.raises(type(error)):
        extract_video(
            video,
            backbone=broken,
            cache=cache,
            settings=ExtractionSettings(batch_segments=2, checkpoint_segments=4),
        )
    assert not decoders()
    kept = 6 if isinstance(error, KeyboardInterrupt) else 4
    events: list[ProgressEvent] = []
    resumed = ColourBackbone()
    found = extract_video(
        video,
        backbone=resumed,
        cache=cache,
        progress=events.append,
        settings=ExtractionSettings(checkpoint_segments=4),
    )
    assert resumed.seen == list(range(kept, 10)) and events[0].skipped == kept
    straight = extract_video(video, backbone=ColourBackbone())
    np.testing.assert_array_equal(found.states["last"].values, straight.states["last"].values)
    np.testing.assert_array_equal(
        found.states["last"].end_seconds, straight.states["last"].end_seconds
    )
    assert not any(e.partial for e in cache.entries())


def test_parts_that_do_not_fit_the_video_are_thrown_away(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        extract_video(
            video,
            backbone=Interrupting(),
            cache=cache,
            settings=ExtractionSettings(batch_segments=2),
        )
    part = next((tmp_path / "cache").glob("*.parts/*.safetensors"))
    straight = extract_video(video, backbone=ColourBackbone()).states["last"]
    wrong = replace(straight, end_seconds=straight.end_seconds + 0.25)
    write_states(part, wrong)
    fresh = ColourBackbone()
    found = extract_video(video, backbone=fresh, cache=cache).states["last"]
    np.testing.assert_array_equal(found.end_seconds, straight.end_seconds)
    assert fresh.seen == list(range(10))


def test_a_slow_backbone_bounds_what_is_decoded_ahead(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiprobe.pipeline import stream as streaming

    read: list[int] = []
    lead: list[int] = []

    class Counted(streaming.SegmentReader):
        def read(self, *, times_only: Sequence[range] = ()) -> Iterator[Segment | SegmentTimes]:
            for number, segment in enumerate(super().read(times_only=times_only)):
                read.append(number)
                yield segment

    class Slow(ColourBackbone):
        def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
            time.sleep(0.1)
            lead.append(len(read) - segments[0].index)
            return super().states(segments, layers=layers, readings=readings)

    monkeypatch.setattr(streaming, "SegmentReader", Counted)
    monkeypatch.setattr(streaming, "READ_AHEAD_SEGMENTS", 2)
    extract_video(video, backbone=Slow(), settings=ExtractionSettings(batch_segments=1))
    assert 2 <= max(lead) <= 4  # one at the model, two waiting, one in the reader's hand


@pytest.mark.parametrize(("fits", "batch"), [(3, 8), (1, 8), (2, 3)])
def test_batches_shrink_until_they_fit(video: Path, fits: int, batch: int) -> None:
    tight = ColourBackbone(memory_segments=fits)
    found = extract_video(
        video, backbone=tight, settings=ExtractionSettings(batch_segments=batch)
    ).states["last"]
    plain = extract_video(video, backbone=ColourBackbone()).states["last"]
    np.testing.assert_array_equal(found.values, plain.values)
    assert tight.seen == list(range(10)) and not found.failed.any()


class OneTooLarge(ColourBackbone):
    """One segment never fits."""

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        if any(s.index == 2 for s in segments):
            raise BackboneMemoryError("does not fit")
        return super().states(segments, layers=layers, readings=readings)


def test_a_segment_that_never_fits_is_failed_and_not_cached(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    found = extract_video(video, backbone=OneTooLarge(), cache=cache).states["last"]
    assert found.failed.tolist() == [i == 2 for i in range(10)]
    assert not found.values[2].any() and found.values[3].any()
    assert cache.entries() == []


def test_readings_of_decoder_and_vision_tower_in_one_pass(video: Path, tmp_path: Path) -> None:
    """With a segment that fails, kept in the cache, and asked for alone."""
    settings = ExtractionSettings(layers=[2, 4], readings=("vision_change_mean", "last"))
    broken = extract_video(video, backbone=OneTooLarge(), settings=settings).states
    assert {r: s.values.shape for r, s in broken.items()} == {
        "vision_change_mean": (10, 1, 3),
        "last": (10, 2, 7),
    }
    for states in broken.values():
        assert states.failed.nonzero()[0].tolist() == [2] and not states.values[2].any()
    cache, backbone = StatesCache(tmp_path / "cache"), ColourBackbone()
    first = extract_video(video, backbone=backbone, settings=settings, cache=cache).states
    assert first["vision_change_mean"].layers == (1,) and first["last"].layers == (2, 4)
    backbone.seen.clear()
    only = replace(settings, layers=None, readings=("vision_change_mean",))
    again = extract_video(video, backbone=backbone, settings=only, cache=cache).states
    assert backbone.seen == []
    np.testing.assert_array_equal(
        again["vision_change_mean"].values, first["vision_change_mean"].values
    )


def test_an_interrupted_pass_goes_on_with_all_its_readings(video: Path, tmp_path: Path) -> None:
    settings = ExtractionSettings(
        readings=("vision_mean", "last"), batch_segments=1, checkpoint_segments=3
    )
    cache = StatesCache(tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        extract_video(video, backbone=Interrupting(), settings=settings, cache=cache)
    backbone = ColourBackbone()
    found = extract_video(video, backbone=backbone, settings=settings, cache=cache).states
    assert 0 < len(backbone.seen) < 10
    plain = extract_video(video, backbone=ColourBackbone(), settings=settings).states
    for reading in settings.readings:
        np.testing.assert_array_equal(found[reading].values, plain[reading].values)


def test_nothing_fits(video: Path) -> None:
    with pytest.raises(BackboneMemoryError, match="each of 10 segments"):
        extract_video(video, backbone=ColourBackbone(memory_segments=0))


def test_unreadable_videos(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    for cache in (None, StatesCache(tmp_path / "cache")):
        for path in (bad, tmp_path / "absent.mp4"):
            with pytest.raises(VideoError, match=path.name):
                extract_video(path, backbone=ColourBackbone(), cache=cache)
            with pytest.raises(VideoError, match=path.name):
                extract_clip(path, backbone=ColourBackbone(), cache=cache)
    assert not decoders()


def test_examples_go_on_after_a_bad_file(tmp_path: Path) -> None:
    root = tmp_path / "clips"
    write_video(root / "normal" / "a.mp4", frames=30)
    write_video(root / "fight" / "c.mp4", frames=50, bright=range(50))
    (root / "fight" / "b.mp4").write_bytes(b"nothing")
    events: list[ProgressEvent] = []
    examples, failures = extract_examples(
        read_clips(root), backbone=ColourBackbone(), progress=events.append
    )
    assert [(e.name, e.label, e.class_name) for e in examples] == [
        ("fight/c.mp4", 1, "fight"),
        ("normal/a.mp4", 0, "normal"),
    ]
    assert all(e.clip is not None and len(e.clip) == 1 for e in examples)
    assert [len(e.segments) for e in examples if e.segments] == [3, 2]
    assert [f.video.name for f in failures] == ["b.mp4"] and "b.mp4" in failures[0].reason
    dones = [e.done for e in events]
    assert dones == sorted(dones) and {1, 2, 3} <= set(dones) and events[-1].done == 3
    assert events[-1].name == "normal/a.mp4"


def test_examples_from_stretches_and_from_states_files(video: Path, tmp_path: Path) -> None:
    backbone = ColourBackbone()
    write_states(tmp_path / "s.safetensors", extract_video(video, backbone=backbone))
    (tmp_path / "clips.csv").write_text(
        "video,label,start_seconds,end_seconds\n"
        "v.mp4,normal,0,4\nv.mp4,fight,4,6\ns.safetensors,fight,4,6\n"
    )
    examples, failures = extract_examples(
        read_clips(tmp_path / "clips.csv"),
        backbone=backbone,
        want=("segments",),
        settings=ExtractionSettings(layers=(3,)),
    )
    assert not failures
    assert [len(e.segments) for e in examples if e.segments] == [4, 2, 2]
    a, b = examples[1].segments, examples[2].segments
    assert a is not None and b is not None
    np.testing.assert_allclose(a.values, b.values, atol=1e-6)


def test_examples_from_files_need_no_backbone(video: Path, tmp_path: Path) -> None:
    both = replace(
        extract_video(
            video, backbone=ColourBackbone(), settings=ExtractionSettings(layers=range(6))
        ),
        clip=extract_clip(
            video, backbone=ColourBackbone(), settings=ExtractionSettings(layers=range(6))
        ).clip,
    )
    for name in ("ok/a", "fight/b"):
        write_states(tmp_path / "x" / f"{name}.safetensors", both)
    examples, failures = extract_examples(read_clips(tmp_path / "x"), backbone=None)
    assert not failures and [e.label for e in examples] == [1, 0]
    assert all(e.clip and e.clip.layers == (1, 2, 3, 4, 5) for e in examples)
    np.testing.assert_array_equal(
        examples[0].segments.values,  # type: ignore[union-attr]
        both.states["last"].values[:, 1:],
    )
    write_video(tmp_path / "x" / "ok" / "c.mp4")
    with pytest.raises(UsageError, match=r"c\.mp4 is a video"):
        extract_examples(read_clips(tmp_path / "x"), backbone=None)


def test_states_of_another_backbone_are_refused(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_states(path, extract_video(video, backbone=ColourBackbone(prompt="other")))
    with pytest.raises(FingerprintError, match="extract it again"):
        extract_video(path, backbone=ColourBackbone())


def test_detection_reads_one_layer(video: Path) -> None:
    backbone = ColourBackbone()
    result = detect_video(video, probe=BrightProbe(), backbone=backbone)
    assert backbone.layers_run == {3}
    assert (result.timeline.scores > 0.5).tolist() == [i in (4, 5) for i in range(10)]
    assert result.outcome == result.timeline.ended == "end"
    assert result.real_time_factor == pytest.approx((9 + 5 / 24) / result.elapsed_seconds, rel=1e-3)


def test_clips_found_in_the_cache_do_not_shorten_the_estimate(tmp_path: Path) -> None:
    names = ("abnormal/a", "abnormal/b", "abnormal/new", "normal/a", "normal/b")
    for number, name in enumerate(names):
        write_video(tmp_path / "c" / f"{name}.mp4", frames=30 + 5 * number)
    clips, cache = read_clips(tmp_path / "c"), StatesCache(tmp_path / "cache")
    extract_examples(clips[:2], backbone=ColourBackbone(), cache=cache)
    events: list[ProgressEvent] = []
    extract_examples(clips, backbone=ColourBackbone(), cache=cache, progress=events.append)
    assert (events[-1].done, events[-1].skipped) == (5, 2)
    assert events[0].skipped == 1 and events[0].eta_seconds is None


def test_what_was_known_does_not_count_as_speed(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    probe = BrightProbe()
    first = detect_video(video, probe=probe, backbone=ColourBackbone(), cache=cache)
    assert first.known_segments == 0 and first.real_time_factor is not None
    again = detect_video(video, probe=probe, backbone=ColourBackbone(), cache=cache)
    assert again.known_segments == 10 and again.real_time_factor is None
    other = write_video(tmp_path / "w.mp4", frames=24 * 9 + 5, bright=range(48))
    stopped, often = Interrupting(), ExtractionSettings(batch_segments=2)
    with pytest.raises(KeyboardInterrupt):
        detect_video(other, probe=probe, backbone=stopped, cache=cache, settings=often)
    rest = detect_video(other, probe=probe, backbone=ColourBackbone(), cache=cache)
    assert rest.known_segments == 6 and rest.real_time_factor is not None
    assert rest.real_time_factor * rest.elapsed_seconds == pytest.approx(3 + 5 / 24, rel=1e-3)


def test_detection_from_states_needs_no_backbone(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_states(path, extract_video(video, backbone=ColourBackbone()))
    result = detect_video(path, probe=BrightProbe(), backbone=None)
    direct = detect_video(video, probe=BrightProbe(), backbone=ColourBackbone())
    np.testing.assert_array_equal(result.timeline.scores, direct.timeline.scores)
    assert result.real_time_factor is None
    with pytest.raises(UsageError, match="needs the probe's backbone"):
        detect_video(video, probe=BrightProbe(), backbone=None)
    with pytest.raises(StatesError, match="visual_mean"):
        detect_video(path, probe=BrightProbe(reading_="visual_mean"), backbone=None)


def test_a_truncated_video_says_so(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", frames=24 * 8)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = detect_video(cut, probe=BrightProbe(), backbone=ColourBackbone())
    assert result.outcome == result.timeline.ended == "truncated"
    assert 1 <= len(result.timeline) < 8


MEASURE = """
import resource, sys
sys.path.insert(0, {tests!r})
from hiprobe.pipeline import ExtractionSettings, extract_video
from pipeline_parts import ColourBackbone
settings = ExtractionSettings(layers=(3,))
found = extract_video({video!r}, backbone=ColourBackbone(), settings=settings)
print(len(found.states["last"]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="peak memory is read the POSIX way")
    peaks = {}
    for minutes in (1, 10):
        video = write_video(tmp_path / f"{minutes}.mp4", frames=minutes * 60 * 24)
        code = MEASURE.format(tests=str(Path(__file__).parent), video=str(video))
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        count, peaks[minutes] = map(int, done.stdout.split())
        assert count == minutes * 60
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, except on macOS
    # Holding the key frames of nine more minutes would take 8 * 9 kB * 540 = 40 MB.
    assert (peaks[10] - peaks[1]) * unit < 15e6


def test_explanations_are_the_backbones_own_words(video: Path) -> None:
    timeline = detect_video(video, probe=BrightProbe(), backbone=ColourBackbone()).timeline
    event = Event(4.0, 6.0, 4, 6, 1.0, 1.0, 4.5)
    told = explain(
        replace(timeline, events=(event,)),
        video,
        backbone=ColourBackbone(),
        prompts=Prompts(event="odd?", normal="plain?", summary="all?"),
    )
    kinds = [(e.kind, round(e.start_seconds), round(e.end_seconds)) for e in told.explanations]
    assert kinds == [("event", 4, 6), ("normal", 3, 4), ("summary", 0, 9)]
    words = [e.text for e in told.explanations]
    assert told.events[0].explanation == words[0]
    brightness = [int(w.split()[1]) for w in words]
    assert brightness[0] > 200 > 100 > brightness[2] > brightness[1]
    assert [w.split()[0] for w in words] == ["odd?", "plain?", "all?"]


def test_explaining_a_quiet_video_gives_the_summary_only(video: Path) -> None:
    timeline = detect_video(video, probe=BrightProbe(), backbone=ColourBackbone()).timeline
    told = explain(timeline, video, backbone=ColourBackbone())
    assert [e.kind for e in told.explanations] == ["summary"] and not told.events
