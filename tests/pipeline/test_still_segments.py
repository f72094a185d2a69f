"""Still segments have the state of the one before, whatever the batch, and after a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import AskedColour, BrightProbe, ColourBackbone, Interrupting

from hiprobe.localize import Smoothing, scored_timeline
from hiprobe.pipeline.detection import detect_video
from hiprobe.pipeline.extraction import extract_clip, extract_prompts, extract_video
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.report.documents import read_timeline, timeline_document, write_csv, write_json
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states, write_states
from hiprobe.video.write import write_video

STILL = ExtractionSettings(layers=(3,), segment_frames=4, key_frames=4, skip_still=True)
FRESH = (0, 5, 6, 7, 14, 15)
"""Segments of `camera` with something new: the first, those of a walker, and after the light."""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 segments of a noisy camera; a walker is in 5 and 6, the light goes on in 14."""
    rng, frames = np.random.default_rng(4), []
    scene = rng.integers(40, 160, (12, 16, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(float)
    for number in range(80):
        picture = scene + rng.normal(0, 2, scene.shape)
        if 20 <= number < 28:
            left = 3 * number
            picture[40:64, left : left + 10] = 220
        picture += 25 * (number >= 58)
        frames.append(np.clip(picture, 0, 255).astype(np.uint8))
    path = tmp_path_factory.mktemp("still") / "camera.mp4"
    write_video(path, frames, fps=12, crf=12)
    return path


def test_a_still_segment_is_not_read_and_has_the_state_of_the_one_before(camera: Path) -> None:
    backbone = ColourBackbone()
    states = extract_video(camera, backbone=backbone, settings=STILL).states["last"]
    assert tuple(backbone.seen) == FRESH
    assert tuple(np.flatnonzero(~states.reused)) == FRESH
    for row in np.flatnonzero(states.reused):
        assert np.array_equal(states.values[row], states.values[row - 1])
    full = extract_video(camera, backbone=ColourBackbone(), settings=ExtractionSettings(
        layers=(3,), segment_frames=4, key_frames=4)).states["last"]  # fmt: skip
    assert not full.reused.any()
    assert np.array_equal(states.start_seconds, full.start_seconds)
    assert (
        np.abs(states.values - full.values).max() < 0.01
    )  # and the noise of the pictures is 0.008


@pytest.mark.parametrize(("batch", "memory"), [(1, 1000), (3, 1000), (100, 1000), (4, 2), (4, 1)])
def test_what_is_still_does_not_depend_on_batches_and_memory(
    camera: Path, batch: int, memory: int
) -> None:
    expected = extract_video(camera, backbone=ColourBackbone(), settings=STILL).states["last"]
    settings = ExtractionSettings(
        layers=(3,), segment_frames=4, key_frames=4, skip_still=True, batch_segments=batch
    )
    backbone = ColourBackbone(memory_segments=memory)
    states = extract_video(camera, backbone=backbone, settings=settings).states["last"]
    assert tuple(backbone.seen) == FRESH
    assert np.array_equal(states.reused, expected.reused)
    assert np.allclose(states.values, expected.values, atol=1e-6)


@pytest.mark.parametrize("at", [6, 15])
def test_a_resumed_run_gives_the_same(camera: Path, tmp_path: Path, at: int) -> None:
    settings = ExtractionSettings(
        layers=(3,), segment_frames=4, key_frames=4, skip_still=True, batch_segments=1,
        checkpoint_segments=2,
    )  # fmt: skip
    expected = extract_video(camera, backbone=ColourBackbone(), settings=settings).states["last"]
    cache, stopped = StatesCache(tmp_path / "cache"), Interrupting()
    stopped.at = at
    with pytest.raises(KeyboardInterrupt):
        extract_video(camera, backbone=stopped, settings=settings, cache=cache)
    backbone = ColourBackbone()
    states = extract_video(camera, backbone=backbone, settings=settings, cache=cache).states["last"]
    assert tuple(backbone.seen) == tuple(n for n in FRESH if n >= at)
    assert np.array_equal(states.values, expected.values)
    assert np.array_equal(states.reused, expected.reused)


class Forgetful(ColourBackbone):
    """Its memory is too small for one call."""

    calls = 0

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.calls == 1:
            raise MemoryError
        return super().states(segments, layers=layers, readings=readings)


def test_after_a_segment_that_did_not_fit_a_still_one_is_read_in_its_place(camera: Path) -> None:
    settings = ExtractionSettings(
        layers=(3,), segment_frames=4, key_frames=4, skip_still=True, batch_segments=1
    )
    backbone = Forgetful()
    states = extract_video(camera, backbone=backbone, settings=settings).states["last"]
    assert np.flatnonzero(states.failed).tolist() == [0]
    assert tuple(backbone.seen) == (1, *FRESH[1:])


def test_states_of_both_kinds_have_keys_of_their_own(camera: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    full = ExtractionSettings(layers=(3,), segment_frames=4, key_frames=4)
    for settings, reads in ((full, 20), (STILL, len(FRESH)), (full, 0), (STILL, 0)):
        backbone = ColourBackbone()
        found = extract_video(camera, backbone=backbone, settings=settings, cache=cache)
        assert len(backbone.seen) == reads
        assert found.states["last"].reused.any() == settings.skip_still
        assert found.provenance is not None
        assert found.provenance.skip_still == settings.skip_still
    # a whole clip is one row of its own key frames: the same for both, and found for both
    extract_clip(camera, backbone=ColourBackbone(), settings=full, cache=cache)
    backbone = ColourBackbone()
    extract_clip(camera, backbone=backbone, settings=STILL, cache=cache)
    assert backbone.seen == []


def test_several_prompts_skip_the_same_segments(camera: Path) -> None:
    backbone = AskedColour(prompt="a")
    found = extract_prompts(camera, backbone=backbone, prompts=("a", "b"), settings=STILL)
    assert backbone.looks == len(FRESH)
    for states in (found["a"].states["last"], found["b"].states["last"]):
        assert tuple(np.flatnonzero(~states.reused)) == FRESH


def test_files_and_the_timeline_say_which_segments_were_reused(
    camera: Path, tmp_path: Path
) -> None:
    made = extract_video(camera, backbone=ColourBackbone(), settings=STILL)
    write_states(tmp_path / "camera.safetensors", made)
    kept = read_states(tmp_path / "camera.safetensors")
    assert np.array_equal(kept.states["last"].reused, made.states["last"].reused)
    assert kept.provenance is not None and kept.provenance.skip_still
    probe = _Reused()
    result = detect_video(camera, probe=probe, backbone=ColourBackbone(), settings=STILL)
    reused = tuple(n for n in range(20) if n not in FRESH)
    assert result.timeline.reused_segments == reused
    document = timeline_document(result.timeline, video="camera.mp4", probe={})
    assert document["reused_segments"] == len(reused)
    write_json(document, tmp_path / "camera.json")
    assert read_timeline(tmp_path / "camera.json").reused_segments == reused
    write_csv(result.timeline, tmp_path / "camera.csv")
    lines = (tmp_path / "camera.csv").read_text().splitlines()
    column = lines[0].split(",").index("reused")
    assert [int(line.split(",")[column]) for line in lines[1:]] == [n in reused for n in range(20)]


def test_of_windows_that_overlap_the_timeline_says_it_too(camera: Path) -> None:
    settings = replace(STILL, hop_frames=2)
    states = extract_video(camera, backbone=ColourBackbone(), settings=settings).states["last"]
    scores = states.layer(3).sum(axis=1).astype(np.float64)
    for smoothing in (Smoothing(), Smoothing(kind="none")):
        found = scored_timeline(
            states.start_seconds,
            states.end_seconds,
            scores,
            smoothing=smoothing,
            threshold=1e9,
            reused=states.reused,
        )
        assert found.overlap != "none" and len(found) > len(FRESH)
        # 12 pictures a second: the walker is there from 20 / 12 s on, the light from 58 / 12 s
        told = np.isin(np.arange(len(found)), found.reused_segments)
        assert told.mean() > 0.5
        for change in (20 / 12, 28 / 12, 58 / 12):
            later = (found.end_seconds > change) & (found.start_seconds < change + 4 / 12)
            assert not told[later].all()
        assert np.array_equal(found.scores[told], found.scores[np.flatnonzero(told) - 1])


class _Reused(BrightProbe):
    def detect(self, states):  # type: ignore[no-untyped-def]

        reused = tuple(np.flatnonzero(states.reused).tolist())
        return replace(super().detect(states), reused_segments=reused)
