"""Explanations over a video: what is asked, what becomes of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from hiprobe.backbones.interface import Speech
from hiprobe.errors import BackboneMemoryError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline import Prompts, explain
from hiprobe.pipeline.explaining import PLAIN, STRUCTURED, prompts_for
from hiprobe.segment import Frame, Segment
from hiprobe.states import Reading
from hiprobe.timeline import Event, Explanation, Timeline

JSON = '{"title": "Bright", "what_happens": "It flashes.", "why_unusual": "", "confidence": 0.5}'


@dataclass
class Talker:
    """Says by the brightness of what it sees: JSON of bright, a refusal of dark, else words."""

    structured: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)
    out_of_memory_below: float = -1.0

    layer_count = 1
    width = 1

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("talker", "0", "float32", "?")

    @property
    def speech(self) -> Speech:
        return Speech(structured=self.structured)

    def states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], readings: Sequence[Reading]
    ) -> Mapping[Reading, NDArray[np.float32]]:
        raise AssertionError("explaining reads no states")

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        self.asked.append((prompt, max_new_tokens))
        level = float(np.mean(frames))
        if level < self.out_of_memory_below:
            raise BackboneMemoryError("no room")
        if level > 150:
            return JSON
        return "I cannot view this video." if level < 30 else "Grey."


def timeline() -> Timeline:
    edges = np.arange(6.0)
    scores = np.array([0.1, 0.1, 0.9, 0.9, 0.1])
    events = (Event(2.0, 4.0, 2, 4, 0.9, 0.9, 2.5),)
    return Timeline(edges[:-1], edges[1:], scores, scores, 0.5, 0.0, events)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            picture = np.full((48, 64, 3), 220 if 16 <= number < 32 else 5, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_every_outcome_has_its_place(video: Path) -> None:
    told = explain(timeline(), video, backbone=Talker())
    assert [(e.kind, e.event, e.outcome) for e in told.explanations] == [
        ("event", 1, "parsed"),
        ("normal", 1, "refused"),
        ("summary", None, "text"),
    ]
    event, normal, summary = told.explanations
    assert event.text == JSON and (event.title, event.confidence) == ("Bright", 0.5)
    assert event.words == "Bright\nIt flashes." == told.events[0].explanation
    assert normal.text == normal.words == "I cannot view this video." and normal.reason
    assert summary.words == "Grey."


def test_running_out_of_memory_loses_one_explanation_only(video: Path) -> None:
    told = explain(timeline(), video, backbone=Talker(out_of_memory_below=30))
    assert [e.outcome for e in told.explanations] == ["parsed", "failed", "text"]
    assert told.explanations[1].reason == "no room" and told.explanations[1].text == ""


def test_a_video_that_is_gone_leaves_the_scores(tmp_path: Path) -> None:
    told = explain(timeline(), tmp_path / "gone.mp4", backbone=Talker())
    assert {e.outcome for e in told.explanations} == {"failed"}
    assert all("gone.mp4" in (e.reason or "") for e in told.explanations)
    assert told.events[0].explanation is None
    np.testing.assert_array_equal(told.scores, timeline().scores)


@pytest.mark.parametrize("structured, prompts", [(True, STRUCTURED), (False, PLAIN)])
def test_the_declared_capability_decides_what_is_asked(
    video: Path, structured: bool, prompts: Prompts
) -> None:
    talker = Talker(structured=structured)
    found = explain(timeline(), video, backbone=talker)
    tokens = prompts.max_new_tokens
    expected = [prompts.event, prompts.normal, prompts.summary]
    assert talker.asked == [(prompt, tokens) for prompt in expected]
    assert all(("JSON" in p) == structured for p in expected)
    assert {item.guess for item in found.explanations} == {not structured}


def test_events_have_neighbours_of_their_own_while_there_are_any(video: Path) -> None:
    base = timeline()
    events = tuple(Event(i, i + 1.0, i, i + 1, 0.9, 0.9, i + 0.5) for i in (0, 2, 4))
    told = explain(replace(base, events=events), video, backbone=Talker())
    pairs = [(e.event, e.start_seconds) for e in told.explanations if e.kind == "normal"]
    assert pairs == [(1, 1.0), (2, 3.0)]


def test_prompts_may_be_given(video: Path) -> None:
    talker = Talker()
    explain(timeline(), video, backbone=talker, prompts=Prompts("e?", "n?", "s?", 7))
    assert talker.asked == [("e?", 7), ("n?", 7), ("s?", 7)]
    assert prompts_for(Speech(), max_new_tokens=9) == replace(STRUCTURED, max_new_tokens=9)
    with pytest.raises(UsageError, match="at least 1"):
        Prompts(max_new_tokens=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "else"},
        {"outcome": "else"},
        {"outcome": "parsed"},
        {"outcome": "failed"},
        {"reason": "why"},
        {"confidence": 1.5},
    ],
)
def test_explanations_that_contradict_themselves_are_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {
        "kind": "event", "start_seconds": 0.0, "end_seconds": 1.0, "prompt": "?", "text": "x"
    }  # fmt: skip
    Explanation(**good)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Explanation(**(good | wrong))  # type: ignore[arg-type]


def test_a_rest_of_a_frame_is_no_neighbour_while_there_is_another(video: Path) -> None:
    base = timeline()
    ends = base.end_seconds.copy()
    ends[-1] = 4.1  # the fifth segment is a tenth of the others
    event = Event(3.0, 4.0, 3, 4, 0.9, 0.9, 3.5)
    told = explain(replace(base, end_seconds=ends, events=(event,)), video, backbone=Talker())
    (near,) = [e.start_seconds for e in told.explanations if e.kind == "normal"]
    assert near == 2.0
    short = Timeline(
        base.start_seconds[3:], ends[3:], base.scores[3:], base.smoothed[3:], 0.5, 0.0,
        (Event(3.0, 4.0, 0, 1, 0.9, 0.9, 3.5),),
    )  # fmt: skip
    told = explain(short, video, backbone=Talker())
    assert [e.start_seconds for e in told.explanations if e.kind == "normal"] == [4.0]
