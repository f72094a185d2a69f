"""What `hiprobe detect` prints about the videos that it scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiprobe.cli.console import echo, format_number, print_rich, print_table, say
from hiprobe.names import shown
from hiprobe.paper import SEGMENT_FRAMES

if TYPE_CHECKING:
    from hiprobe.pipeline import DetectResult
    from hiprobe.report.words import Span
    from hiprobe.timeline import Timeline

# In longer segments an event of a second or two is too small a part to be noticed.
LONG_SEGMENT_SECONDS = 1.5


@dataclass
class DetectReport:
    """Prints the events of one video after the other, and a table of all at the end.

    Attributes:
        quiet: print no remarks and no names of files.
        segment_seconds: length of segments that was asked for; None if it was asked for in frames.
        segment_frames: that number of frames.
        rows: the table of all videos so far.
        shown: what files are called on screen if several have the same name.
    """

    quiet: bool
    segment_seconds: float | None = None
    segment_frames: int = SEGMENT_FRAMES
    rows: list[tuple[str, ...]] = field(default_factory=list)
    shown: Mapping[Path, str] = field(default_factory=dict)

    def name(self, file: Path) -> str:
        """What a file is called on screen."""
        return self.shown.get(file, file.name)

    def video(
        self,
        file: Path,
        timeline: Timeline,
        result: DetectResult,
        *,
        truth_spans: Sequence[Span] | None = None,
    ) -> None:
        """Events of one video, or in one line that there are none."""
        from hiprobe.report.terminal import events_caption, events_table, other_words_table

        name = shown(self.name(file))
        if timeline.events or truth_spans is not None:
            print_rich(events_table(timeline, video=name, truth_spans=truth_spans))
        else:
            echo(f"{name}: {events_caption(timeline)}; {_highest(timeline)}")
        others = other_words_table(timeline)
        if others is not None:
            print_rich(others)
        if not self.quiet:
            for line in remarks(timeline, result, self.segment_seconds, self.segment_frames):
                say(f"{name}: {line}")
        self.rows.append(_row(name, timeline))

    def written(self, paths: Sequence[Path]) -> None:
        """The files of one video, in one line."""
        if not self.quiet and paths:
            others = "".join(f", {shown(path.name)}" for path in paths[1:])
            say(f"wrote {shown(paths[0])}{others}")

    def all(self) -> None:
        """The videos in one table, where there are several."""
        if len(self.rows) > 1:
            echo("")
            print_table(("video", "length", "events", "seconds in events", "highest"), self.rows)


def remarks(
    timeline: Timeline,
    result: DetectResult,
    segment_seconds: float | None = None,
    segment_frames: int = SEGMENT_FRAMES,
) -> list[str]:
    """Speed, and what a user should know of this video.

    Args:
        segment_seconds: the length that was asked for; None if it was asked for in frames.
        segment_frames: that number of frames.
    """
    import numpy as np

    from hiprobe.video.container import still_written_words

    # The median, since the last segment is shorter and gaps lengthen some.
    typical = float(np.median(timeline.end_seconds - timeline.start_seconds))
    found = [speed(result)]
    # A file that broke off has a line of its own already.
    if result.outcome == "end" and result.seconds_since_change is not None:
        found += filter(None, [still_written_words(result.seconds_since_change)])
    if typical >= LONG_SEGMENT_SECONDS:
        why = _why_long(typical, segment_seconds, segment_frames)
        found.append(f"a segment lasts {typical:.1f} s here, {why}")
    return found


def _why_long(typical_seconds: float, asked_seconds: float | None, frames: int) -> str:
    if asked_seconds is None:
        return (
            f"the length of {frames} frames at this frame rate; --segment-seconds in "
            "fit and detect cuts finer"
        )
    if typical_seconds > LONG_SEGMENT_SECONDS * asked_seconds:
        return f"not {asked_seconds:g} s as asked for, since its frames lie so far apart"
    return (
        f"as --segment-seconds {asked_seconds:g} asks for; events much shorter than that are "
        "easily missed, and a smaller value in fit and detect cuts finer"
    )


def facts(result: DetectResult) -> dict[str, Any]:
    """What report files show about the run, name to value."""
    found: dict[str, Any] = {
        "segments": len(result.timeline),
        "seconds": format_number(_covered(result.timeline), 1),
    }
    if result.real_time_factor is not None:
        found["speed"] = speed(result)
    return found


def speed(result: DetectResult) -> str:
    """Time and speed against playback, in words; or that the video was analysed before."""
    if result.real_time_factor is None:
        return "already analysed in an earlier run; reused"
    text = f"took {result.elapsed_seconds:.1f} s ({result.real_time_factor:.1f}x playback speed)"
    if result.known_segments:
        text += f" for the rest; {result.known_segments} segments were already analysed"
    return text


def _highest(timeline: Timeline) -> str:
    import numpy as np

    if not np.isfinite(timeline.smoothed).any():
        return "no segment has a score"
    highest = float(np.nanmax(timeline.smoothed))
    return f"highest score {highest:.3f}, threshold {timeline.threshold:.3f}"


def _covered(timeline: Timeline) -> float:
    from hiprobe.segment import covered_seconds

    return covered_seconds(timeline.start_seconds, timeline.end_seconds)


def _row(name: str, timeline: Timeline) -> tuple[str, ...]:
    import numpy as np

    inside = sum(e.end_seconds - e.start_seconds for e in timeline.events)
    known = timeline.smoothed[np.isfinite(timeline.smoothed)]
    return (
        name,
        f"{_covered(timeline):.1f} s",
        str(len(timeline.events)),
        f"{inside:.1f}",
        format_number(float(known.max())) if len(known) else "-",
    )
