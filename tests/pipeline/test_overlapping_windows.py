"""Windows that overlap, from a video to its states, its events and the score of each frame."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline_parts import AskedColour, ColourBackbone, Interrupting, write_video

from hiprobe.datasets.score_files import read_scores
from hiprobe.errors import EvaluationError
from hiprobe.evaluation.truth import Truth, VideoTruth
from hiprobe.localize import Smoothing
from hiprobe.pipeline import ExtractionSettings, ProgressEvent, detect_video, extract_video
from hiprobe.pipeline.explaining import explain
from hiprobe.pipeline.stream import extract_units
from hiprobe.probe import Probe
from hiprobe.report.documents import read_timeline, timeline_document, write_json
from hiprobe.segment import WHOLE, Cut, covered_seconds
from hiprobe.states import LabelledStates, VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states, write_states

HALF = ExtractionSettings(segment_seconds=1.0, hop_seconds=0.5, layers=(3,))
FRAMES, FPS = 120, 24


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds, bright from 2.0 to 3.0 s."""
    return write_video(tmp_path_factory.mktemp("v") / "v.mp4", frames=FRAMES, bright=range(48, 72))


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """Fitted on clips of one second and a half, dark and bright ones, cut as `HALF` says."""
    folder, found = tmp_path_factory.mktemp("clips"), []
    for number in range(8):
        bright = range(0, 40) if number % 2 else range(0)
        clip = write_video(folder / f"{number}.mp4", frames=36 + number // 2, bright=bright)
        states = extract_video(clip, backbone=ColourBackbone(), settings=HALF)
        one = LabelledStates(clip.name, number % 2, clip.name, None, states.states["last"])
        found.append(replace(one, provenance=states.provenance))
    return Probe(folds=4, layer=3, mode="segment").fit(found)


def test_the_states_of_windows_are_those_of_the_segments_that_begin_there(video: Path) -> None:
    windows = extract_video(video, backbone=ColourBackbone(), settings=HALF).states["last"]
    np.testing.assert_allclose(windows.start_seconds, np.arange(9) * 0.5, atol=1e-6)
    assert covered_seconds(windows.start_seconds, windows.end_seconds) == pytest.approx(5.0)
    plain = replace(HALF, hop_seconds=None)
    segments = extract_video(video, backbone=ColourBackbone(), settings=plain).states["last"]
    np.testing.assert_array_equal(windows.values[::2], segments.values)


def test_a_hop_of_the_length_gives_what_no_hop_gives(video: Path, tmp_path: Path) -> None:
    cache, same = StatesCache(tmp_path), replace(HALF, hop_seconds=1.0)
    first = extract_video(
        video, backbone=ColourBackbone(), settings=replace(HALF, hop_seconds=None), cache=cache
    )
    again = ColourBackbone()
    found = extract_video(video, backbone=again, settings=same, cache=cache)
    assert again.seen == []
    np.testing.assert_array_equal(found.states["last"].values, first.states["last"].values)


def test_each_hop_has_a_key_of_its_own_and_the_whole_clip_has_none() -> None:
    cuts = [Cut(), Cut(hop_frames=12), Cut(hop_frames=6), Cut(hop_seconds=0.5)]
    of_segments = [json.dumps(cut.key_parts("segments", WHOLE)) for cut in cuts]
    assert len(set(of_segments)) == 4
    assert not {"hop_frames", "hop_seconds"} & set(cuts[0].key_parts("segments", WHOLE))
    assert len({json.dumps(cut.key_parts("clip", WHOLE)) for cut in cuts}) == 1


def test_one_pass_for_the_clip_all_windows_and_several_prompts(
    video: Path, decodings: list[Path]
) -> None:
    settings = ExtractionSettings(hop_frames=8, layers=(3,))
    clips, windows = extract_units(
        video,
        backbone=AskedColour(),
        prompts=("a", "b"),
        settings=settings,
    )
    assert decodings == [video]
    assert [len(s.states["last"]) for s in windows.values()] == [13, 13]
    assert set(clips) == {"a", "b"}


@pytest.mark.parametrize(
    "settings", [HALF, replace(HALF, hop_seconds=None), ExtractionSettings(hop_frames=5)]
)
def test_progress_knows_the_number_of_windows(video: Path, settings: ExtractionSettings) -> None:
    events: list[ProgressEvent] = []
    extract_video(video, backbone=ColourBackbone(), settings=settings, progress=events.append)
    assert {e.total for e in events} == {events[-1].done}


def test_an_interrupted_run_goes_on_among_windows(video: Path, tmp_path: Path) -> None:
    cache, settings = StatesCache(tmp_path), replace(HALF, batch_segments=1, checkpoint_segments=1)
    broken = Interrupting()
    broken.at = 4
    with pytest.raises(KeyboardInterrupt):
        extract_video(video, backbone=broken, cache=cache, settings=settings)
    resumed = ColourBackbone()
    found = extract_video(video, backbone=resumed, cache=cache, settings=settings)
    assert resumed.seen == [4, 5, 6, 7, 8]
    straight = extract_video(video, backbone=ColourBackbone(), settings=settings)
    np.testing.assert_array_equal(found.states["last"].values, straight.states["last"].values)


def test_states_and_probe_say_the_hop_and_files_without_one_load(
    video: Path, probe: Probe, tmp_path: Path
) -> None:
    own = extract_video(video, backbone=ColourBackbone(), settings=HALF)
    write_states(tmp_path / "v.safetensors", own)
    kept = read_states(tmp_path / "v.safetensors")
    assert kept.provenance is not None and kept.provenance.cut.hop_seconds == 0.5
    probe.save(tmp_path / "probe")
    loaded = Probe.load(tmp_path / "probe")
    assert loaded.provenance_ is not None and loaded.provenance_.cut == probe.provenance_.cut  # type: ignore[union-attr]
    assert loaded.provenance_.cut.segment_words == "1 s, one every 0.5 s"
    # As a version that knew no hop wrote it.
    document = json.loads((tmp_path / "probe" / "probe.json").read_text())
    for name in ("hop_frames", "hop_seconds"):
        del document["provenance"][name]
    (tmp_path / "probe" / "probe.json").write_text(json.dumps(document))
    older = Probe.load(tmp_path / "probe").provenance_
    assert older is not None and older.cut == replace(probe.provenance_.cut, hop_seconds=None)  # type: ignore[union-attr]


def test_a_probe_cuts_a_video_as_its_clips_were_cut(video: Path, probe: Probe) -> None:
    found = detect_video(video, probe=probe, backbone=ColourBackbone())
    assert len(found.states) == 9
    timeline = found.timeline
    np.testing.assert_allclose(timeline.end_seconds[:-1], timeline.start_seconds[1:])
    np.testing.assert_allclose(timeline.start_seconds, np.arange(10) * 0.5, atol=1e-6)
    (event,) = timeline.events
    assert (event.start_seconds, event.end_seconds) == pytest.approx((2.0, 3.0))
    (event,) = probe.detect(found.states, smoothing="none").events
    # The first window with something bright in it ends at 2.5 s, the last at 3.5 s.
    assert (event.start_seconds, event.end_seconds) == pytest.approx((2.5, 4.0))


@pytest.mark.parametrize("smoothing", ["gaussian", "ema"])
def test_the_threshold_is_of_the_score_that_detection_gives(probe: Probe, smoothing: Any) -> None:
    own = Probe(folds=4, layer=3, mode="segment", smoothing=smoothing).fit(probe.examples())
    detected = [
        float(np.nanmax(own.detect(e.segments).smoothed)) for e in own.examples() if e.segments
    ]
    np.testing.assert_allclose(own.few_shot_scores_["training"], detected, rtol=1e-6)
    np.testing.assert_allclose(own.predict_proba(own.examples())[:, 1], detected, rtol=1e-6)


def frame_scores(video: Path, probe: Probe, folder: Path, **how: Any) -> Any:
    """Scores of frames as an evaluation reads them, and the timeline that they come from."""
    states = extract_video(video, backbone=ColourBackbone(), settings=HALF).states["last"]
    timeline = probe.detect(states, **how)
    write_json(timeline_document(timeline, video="v.mp4", probe={}), folder / "v.json")
    truth = Truth("own", (VideoTruth("v.mp4", FRAMES, ((48, 72),)),), fps=FPS)
    return truth, states, timeline


def test_an_evaluation_takes_the_mean_over_each_frame(
    video: Path, probe: Probe, tmp_path: Path
) -> None:
    truth, states, _ = frame_scores(video, probe, tmp_path, sigma_segments=1e-3)
    (scores,) = read_scores(tmp_path, truth=truth).values()
    own, times = probe.score(states), np.arange(FRAMES) / FPS + 1e-6
    over = [(states.start_seconds <= t) & (t < states.end_seconds) for t in times]
    np.testing.assert_allclose(scores, [own[rows].mean() for rows in over], rtol=1e-9)
    with pytest.raises(EvaluationError, match="look ahead"):
        read_scores(tmp_path, truth=truth, smoothing=Smoothing(kind="ema"))


def test_an_evaluation_takes_the_last_window_that_ended_before_each_frame(
    video: Path, probe: Probe, tmp_path: Path
) -> None:
    truth, states, timeline = frame_scores(video, probe, tmp_path, smoothing="ema")
    assert read_timeline(tmp_path / "v.json").overlap == "last"
    document = json.loads((tmp_path / "v.json").read_text())
    assert document["failed_segments"] == 0 and document["segments"][0]["score"] is None
    plain = Smoothing(kind="none")
    (scores,) = read_scores(tmp_path, truth=truth, smoothing=plain).values()
    own, times = probe.score(states), np.arange(FRAMES) / FPS + 1e-6
    ended = [states.end_seconds <= t for t in times]
    # Before a window has ended nothing can have been said.
    expected = [own[rows][-1] if rows.any() else 0.0 for rows in ended]
    np.testing.assert_allclose(scores, expected, rtol=1e-9)
    (smoothed,) = read_scores(tmp_path, truth=truth).values()
    assert (smoothed[:24] == 0).all() and (smoothed[24:] > 0).all()
    assert set(np.unique(smoothed[24:])) <= set(timeline.smoothed.tolist())


def test_words_are_about_what_the_windows_of_an_event_show(video: Path, probe: Probe) -> None:
    states = extract_video(video, backbone=ColourBackbone(), settings=HALF).states["last"]
    timeline = probe.detect(states, smoothing="none")
    (event,) = timeline.events
    told = explain(timeline, video, backbone=ColourBackbone()).explanations
    (about,) = [e for e in told if e.kind == "event"]
    # The alarm stands from 2.5 to 4 s: windows that ended at 2.5, 3 and 3.5 s gave it.
    assert (event.start_seconds, event.end_seconds) == pytest.approx((2.5, 4.0))
    assert (about.start_seconds, about.end_seconds) == pytest.approx((1.5, 3.5))
    (whole,) = [e for e in told if e.kind == "summary"]
    assert (whole.start_seconds, whole.end_seconds) == pytest.approx((0.0, 5.0))


def test_no_window_spans_a_gap_and_each_piece_waits_anew(probe: Probe) -> None:
    values = np.random.default_rng(0).random((5, 1, 7), np.float32)
    own = extract_states(values, starts=[0, 0.5, 1.0, 60.0, 60.5])
    timeline = probe.detect(own, smoothing="ema")
    assert timeline.gaps == ((2.0, 60.0),)
    assert timeline.waiting.tolist() == [True, False, False, True, False]
    assert timeline.start_seconds.tolist() == [0.0, 1.0, 1.5, 60.0, 61.0]


def extract_states(values: Any, *, starts: list[float]) -> Any:
    from hiprobe.states import States

    start = np.array(starts, float)
    made: VideoStates = VideoStates(
        {
            "last": States(
                values=values,
                layers=(3,),
                start_seconds=start,
                end_seconds=start + 1,
                reading="last",
                fingerprint=ColourBackbone().fingerprint,
                layer_count=5,
                failed=np.zeros(len(start), bool),
            )
        }
    )
    return made.states["last"]
