"""Several prompts: one decoding, one look, states kept for each; interrupted runs resume."""

from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import AskedColour, ColourBackbone, write_video

from hiprobe.datasets.clips import read_clips
from hiprobe.errors import UsageError
from hiprobe.pipeline import (
    ExtractionSettings,
    extract_clip_prompts,
    extract_prompts,
    extract_video,
    extract_views,
)
from hiprobe.store.states_cache import StatesCache

PROMPTS = ("what?", "who?", "where to?")
OFTEN = ExtractionSettings(batch_segments=2, checkpoint_segments=2)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", frames=24 * 9, bright=range(96, 144))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos that were opened for segments."""
    from hiprobe.pipeline import stream as streaming

    found: list[Path] = []
    plain = streaming.SegmentReader

    def noted(path, *how):  # type: ignore[no-untyped-def]
        found.append(path)
        return plain(path, *how)

    monkeypatch.setattr(streaming, "SegmentReader", noted)
    return found


def alone(video: Path, prompt: str) -> np.ndarray:
    return extract_video(video, backbone=AskedColour(prompt=prompt)).states["last"].values


def test_each_prompt_gets_its_own_states_in_one_pass(video: Path, opened: list[Path]) -> None:
    backbone = AskedColour()
    found = extract_prompts(video, backbone=backbone, prompts=PROMPTS)
    assert opened == [video] and backbone.looks == 9
    assert tuple(found) == PROMPTS
    for prompt in PROMPTS:
        states = found[prompt].states["last"]
        assert states.fingerprint.prompt == prompt
        np.testing.assert_array_equal(states.values, alone(video, prompt))
    assert len({s.states["last"].fingerprint.digest for s in found.values()}) == 3


def test_the_cache_serves_each_prompt_alone(video: Path, tmp_path: Path) -> None:
    cache = StatesCache(tmp_path / "cache")
    extract_prompts(video, backbone=AskedColour(), prompts=PROMPTS[:2], cache=cache)
    extract_clip_prompts(video, backbone=AskedColour(), prompts=PROMPTS[:2], cache=cache)
    one = AskedColour(prompt="who?")
    extract_video(video, backbone=one, cache=cache)
    assert one.looks == 0
    more = AskedColour()
    found = extract_prompts(video, backbone=more, prompts=PROMPTS, cache=cache)
    assert more.looks == 9 and tuple(found) == PROMPTS
    again = AskedColour()
    extract_prompts(video, backbone=again, prompts=PROMPTS[::-1], cache=cache)
    extract_clip_prompts(video, backbone=again, prompts=PROMPTS[:2], cache=cache)
    assert again.looks == 0


class Stopped(AskedColour):
    """Ctrl-C at the seventh segment."""

    def states_by_prompt(self, segments, **asked):  # type: ignore[no-untyped-def]
        if any(s.index == 6 for s in segments):
            raise KeyboardInterrupt
        return super().states_by_prompt(segments, **asked)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_interrupted_pass_goes_on_where_all_prompts_are(
    video: Path, tmp_path: Path, lost: int
) -> None:
    """A kill can fall between the pieces of two prompts: what only one has is done again."""
    cache = StatesCache(tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        extract_prompts(video, backbone=Stopped(), prompts=PROMPTS[:2], cache=cache, settings=OFTEN)
    folders = sorted((tmp_path / "cache").glob("*.parts"))
    assert [len(list(f.iterdir())) for f in folders] == [3, 3]
    for piece in sorted(folders[0].iterdir())[3 - lost :]:
        piece.unlink()
    resumed = AskedColour()
    found = extract_prompts(video, backbone=resumed, prompts=PROMPTS[:2], cache=cache)
    assert resumed.seen == list(range(6 - 2 * lost, 9))
    for prompt in PROMPTS[:2]:
        np.testing.assert_array_equal(found[prompt].states["last"].values, alone(video, prompt))
    assert not list((tmp_path / "cache").glob("*.parts"))


def test_a_backbone_with_one_prompt_says_so(video: Path) -> None:
    with pytest.raises(UsageError, match="reads its own prompt 'what\\?' only"):
        extract_prompts(video, backbone=ColourBackbone(), prompts=("what?", "who?"))
    found = extract_prompts(video, backbone=ColourBackbone(), prompts=("what?",))
    assert len(found["what?"].states["last"]) == 9


def test_views_are_prompts_by_readings_of_the_same_clips(tmp_path: Path) -> None:
    for label, bright in (("normal", range(0)), ("abnormal", range(9))):
        write_video(tmp_path / "c" / label / "a.mp4", frames=30, bright=bright)
    (tmp_path / "c" / "normal" / "bad.mp4").write_text("no video")
    views, failures = extract_views(
        read_clips(tmp_path / "c"),
        backbone=AskedColour(),
        prompts=PROMPTS[:2],
        settings=ExtractionSettings(readings=("last", "visual_mean")),
    )
    seen = [
        (v[0].segments.fingerprint.prompt, v[0].segments.reading) for v in views if v[0].segments
    ]
    assert seen == [(p, r) for p in PROMPTS[:2] for r in ("last", "visual_mean")]
    names = [[e.name for e in view] for view in views]
    assert names == [["abnormal/a.mp4", "normal/a.mp4"]] * 4
    assert [f.video.name for f in failures] == ["bad.mp4"]


def test_files_of_states_have_one_prompt(tmp_path: Path) -> None:
    from hiprobe.store.states_file import write_states

    for label in ("normal", "abnormal"):
        video = write_video(tmp_path / f"{label}.mp4", frames=30)
        states = extract_video(video, backbone=ColourBackbone())
        (tmp_path / "s" / label).mkdir(parents=True)
        write_states(tmp_path / "s" / label / "a.safetensors", states)
    with pytest.raises(UsageError, match="one prompt"):
        extract_views(read_clips(tmp_path / "s"), backbone=None, prompts=PROMPTS)
