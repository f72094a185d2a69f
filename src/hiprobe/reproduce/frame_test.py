"""A test by frame: what is fitted on, and untrimmed videos whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import EvaluationError
from hiprobe.states import LabelledStates, States


@dataclass(frozen=True)
class Part:
    """A half-open stretch of frames that comes from one recording: the unit of intervals."""

    first_frame: int
    end_frame: int
    source: str


@dataclass(frozen=True)
class TestVideo:
    """An untrimmed video with frame-level truth.

    Attributes:
        load: gives the states of its segments, all layers; called when they are scored, so that
            the states of a large test set are never held together.
        frames: count of frames.
        fps: frames a second; frame i is shown from i / fps on.
        spans: abnormal half-open stretches in frames.
        parts: recordings that it is made of, in order, without gap; one for a natural video.
        joined: True where it was joined from clips, so that its cuts are no events.
        path: the file, for words about it; None where only its states are there.
    """

    __test__ = False  # the name must not make pytest collect it

    name: str
    load: Callable[[], States]
    frames: int
    fps: float
    spans: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...]
    joined: bool
    path: Path | None = None

    def __post_init__(self) -> None:
        edges = [0, *(p.end_frame for p in self.parts)]
        starts = [p.first_frame for p in self.parts]
        if edges[:-1] != starts or edges[-1] != self.frames:
            raise EvaluationError(
                f"{self.name}: parts {starts} to {edges[1:]} do not cover {self.frames} frames"
            )

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames at which one part ends and the next begins."""
        return tuple(p.first_frame for p in self.parts[1:])


@dataclass(frozen=True)
class FrameTest:
    """What is fitted on, and what other sources hold to test on.

    Attributes:
        fit: labelled states to fit on.
        videos: untrimmed videos to test by frame; may be empty.
        held: labelled states to test by clip; may be empty.
        protocol: all of it in one line.

    Raises:
        EvaluationError: a source is both fitted on and tested on.
    """

    data: str
    fit: tuple[LabelledStates, ...]
    videos: tuple[TestVideo, ...]
    held: tuple[LabelledStates, ...]
    protocol: str

    def __post_init__(self) -> None:
        tested = {p.source for v in self.videos for p in v.parts} | {e.source for e in self.held}
        both = {e.source for e in self.fit} & tested
        if both:
            raise EvaluationError(f"{self.data}: sources {sorted(both)[:3]} are fitted and tested")
