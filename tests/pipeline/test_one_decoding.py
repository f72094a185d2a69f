"""A clip's two kinds of states come from one decoding and are what two gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import AskedColour, ColourBackbone, Interrupting, write_video

from hiprobe.datasets.clips import LabelledClip
from hiprobe.pipeline import (
    ExtractionSettings,
    Stretch,
    extract_clip,
    extract_clip_prompts,
    extract_examples,
    extract_prompts,
    extract_units,
    extract_video,
)
from hiprobe.pipeline.states_folder import Item, extract_to_file
from hiprobe.states import States
from hiprobe.store.states_cache import StatesCache

SETTINGS = ExtractionSettings(readings=("last", "visual_mean"), checkpoint_segments=2)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", frames=24 * 9 + 5, bright=range(96, 144))


def assert_same(one: States, other: States) -> None:
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.start_seconds, other.start_seconds)
    np.testing.assert_array_equal(one.end_seconds, other.end_seconds)
    assert (one.reading, one.fingerprint) == (other.reading, other.fingerprint)


@pytest.mark.parametrize("stretch", [Stretch(), Stretch(1.5, 6.0)])
def test_states_are_those_of_two_decodings(video: Path, stretch: Stretch) -> None:
    prompts = ("what?", "who?")
    asked, one = AskedColour(), AskedColour()
    whole, parts = extract_units(
        video, backbone=one, prompts=prompts, settings=SETTINGS, stretch=stretch
    )
    clip = extract_clip_prompts(
        video, backbone=asked, prompts=prompts, settings=SETTINGS, stretch=stretch
    )
    segments = extract_prompts(
        video, backbone=asked, prompts=prompts, settings=SETTINGS, stretch=stretch
    )
    assert tuple(whole) == tuple(parts) == prompts
    for prompt in prompts:
        assert whole[prompt].outcome == clip[prompt].outcome
        for reading in SETTINGS.readings:
            assert_same(whole[prompt].clip[reading], clip[prompt].clip[reading])
            assert_same(parts[prompt].states[reading], segments[prompt].states[reading])
    assert one.looks == asked.looks


def test_fitting_starts_the_decoder_once_for_each_clip(
    tmp_path: Path, decodings: list[Path]
) -> None:
    paths = [write_video(tmp_path / f"{n}.mp4", frames=30 + n) for n in range(3)]
    clips = [
        LabelledClip(path, n % 2, "x", str(n), None, None, path.stem)
        for n, path in enumerate(paths)
    ]
    cache = StatesCache(tmp_path / "cache")
    examples, failures = extract_examples(clips, backbone=ColourBackbone(), cache=cache)
    assert not failures and decodings == paths
    for example, path in zip(examples, paths, strict=True):
        assert example.clip is not None and example.segments is not None
        assert_same(example.clip, extract_clip(path, backbone=ColourBackbone()).clip["last"])
        alone = extract_video(path, backbone=ColourBackbone()).states["last"]
        assert_same(example.segments, alone)
    decodings.clear()
    again, _ = extract_examples(clips, backbone=ColourBackbone(), cache=cache)
    assert decodings == [] and len(again) == 3


def test_only_what_the_cache_lacks_is_read(video: Path, tmp_path: Path) -> None:
    for first in (extract_clip, extract_video):
        cache = StatesCache(tmp_path / first.__name__)
        first(video, backbone=ColourBackbone(), cache=cache)
        rest = ColourBackbone()
        extract_units(video, backbone=rest, prompts=("what?",), cache=cache)
        assert len(rest.seen) == (10 if first is extract_clip else 1)


def test_an_interrupted_clip_goes_on_and_gives_the_same(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    settings = ExtractionSettings(batch_segments=2, checkpoint_segments=2)
    with pytest.raises(KeyboardInterrupt):
        extract_units(
            video, backbone=Interrupting(), prompts=("what?",), settings=settings, cache=cache
        )
    resumed = ColourBackbone()
    whole, parts = extract_units(
        video, backbone=resumed, prompts=("what?",), settings=settings, cache=cache
    )
    assert resumed.seen == [6, 7, 8, 9, 0]  # the rest, and the clip's row
    assert_same(whole["what?"].clip["last"], extract_clip(video, backbone=resumed).clip["last"])
    alone = extract_video(video, backbone=resumed, settings=settings)
    assert_same(parts["what?"].states["last"], alone.states["last"])


def test_extraction_to_a_file_reads_the_pictures_once(
    video: Path, tmp_path: Path, decodings: list[Path]
) -> None:
    extract_to_file(Item(video, "v"), tmp_path / "out", backbone=ColourBackbone())
    # once for all states, and the first frame for the notes of the file
    assert decodings == [video, video]
