"""Longer videos out of short ones: labelled clips joined with known truth, a video looped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from hiprobe.errors import UsageError, VideoError
from hiprobe.segment import Frame
from hiprobe.store.atomic import atomic_path
from hiprobe.video.container import READ_ERRORS, open_video
from hiprobe.video.decode import FrameReader, Outcome, check_stretch
from hiprobe.video.frames import DecodedFrame
from hiprobe.video.write import FITS, Fit, as_rate, fitted, write_video


@dataclass(frozen=True)
class JoinPart:
    """One clip to be joined, or its stretch; `label` is 1 for anomalous, 0 for normal.

    `source` names the recording that the clip comes from, so that no source is both fitted on
    and tested on.
    """

    video: Path | str
    label: int
    source: str
    name: str
    start_seconds: float | None = None
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise UsageError(f"part {self.name} has label {self.label!r}; give 0 or 1")
        check_stretch(start_seconds=self.start_seconds, end_seconds=self.end_seconds)


@dataclass(frozen=True)
class JoinedPart:
    """Where a part lies in the joined video, half-open `[start_seconds, end_seconds)`."""

    part: JoinPart
    start_seconds: float
    end_seconds: float
    frame_count: int
    outcome: Outcome


@dataclass(frozen=True)
class JoinedVideo:
    """A joined (not natural) video and its truth.

    Attributes:
        spans: anomalous half-open spans in seconds; parts that touch are merged.
        cuts_seconds: where one part ends and the next begins.
    """

    path: Path
    parts: tuple[JoinedPart, ...]
    spans: tuple[tuple[float, float], ...]
    cuts_seconds: tuple[float, ...]
    duration_seconds: float
    fps: Fraction
    fit: Fit


def join_clips(
    parts: Sequence[JoinPart],
    path: Path | str,
    *,
    width: int,
    height: int,
    fps: Fraction | float,
    fit: Fit = "letterbox",
    crf: int = 20,
) -> JoinedVideo:
    """Write the parts one after the other, at one size and frame rate, one frame at a time.

    Tick j of a part shows the source frame on screen at (j + 1/2) / fps seconds after the
    part's first frame, and a part has as many ticks as its duration holds, rounded, at least
    one. So every boundary is a whole number of ticks and known exactly.

    Args:
        width, height: of the pictures, even numbers of pixels.
        fps: ticks a second.
        fit: `letterbox` adds black bars where the aspect differs, `crop` cuts the edges.
        crf: quality of H.264, lower is better.

    Raises:
        UsageError: no parts, an odd or senseless size or rate, or an unknown fit.
        VideoError: a part cannot be read; nothing is written then.
    """
    if not parts:
        raise UsageError("no parts to join; give at least one clip")
    if min(width, height) < 2 or width % 2 or height % 2:
        raise UsageError(f"size {width}x{height} is not usable; give even numbers from 2 on")
    if fit not in FITS:
        raise UsageError(f"fit is {fit!r}; choose letterbox or crop")
    rate = as_rate(fps)
    joined: list[JoinedPart] = []

    def pictures() -> Iterator[Frame]:
        for part in parts:
            yield from _ticks(part, joined, rate=rate, size=(width, height), fit=fit)

    written = write_video(path, pictures(), fps=rate, crf=crf)
    return JoinedVideo(
        path=Path(path),
        parts=tuple(joined),
        spans=_anomalous_spans(joined),
        cuts_seconds=tuple(p.start_seconds for p in joined[1:]),
        duration_seconds=written.duration_seconds,
        fps=rate,
        fit=fit,
    )


def _ticks(
    part: JoinPart, joined: list[JoinedPart], *, rate: Fraction, size: tuple[int, int], fit: Fit
) -> Iterator[Frame]:
    reader = FrameReader(part.video, start_seconds=part.start_seconds, end_seconds=part.end_seconds)
    before = sum(p.frame_count for p in joined)
    count = 0
    for frame, until_seconds in _with_ends(reader):
        due = max(round(until_seconds * rate), int(count == 0))
        if due > count:
            picture = fitted(frame, size=size, fit=fit)
            yield from (picture for _ in range(due - count))
            count = due
    start, end = float(before / rate), float((before + count) / rate)
    joined.append(JoinedPart(part, start, end, count, reader.outcome or "end"))


def _with_ends(reader: FrameReader) -> Iterator[tuple[DecodedFrame, Fraction]]:
    """Each frame with the time, from the first frame on, at which it leaves the screen."""
    previous: DecodedFrame | None = None
    origin = 0.0
    for frame in reader:
        if previous is None:
            origin = frame.seconds
        else:
            yield previous, Fraction(frame.seconds - origin)
        previous = frame
    if previous is not None:
        yield previous, Fraction(previous.end_seconds - origin)


def _anomalous_spans(joined: Sequence[JoinedPart]) -> tuple[tuple[float, float], ...]:
    spans: list[tuple[float, float]] = []
    for at in joined:
        if not at.part.label:
            continue
        if spans and spans[-1][1] == at.start_seconds:
            spans[-1] = spans[-1][0], at.end_seconds
        else:
            spans.append((at.start_seconds, at.end_seconds))
    return tuple(spans)


def write_looped(path: Path, video: Path, *, seconds: float) -> Path:
    """Write a video that repeats another one from start to end, without decoding it.

    Args:
        path: ends in .mp4 or .mkv.
        video: its packets are copied, so it must begin with a picture that needs no other one.
        seconds: the least length of what is written, which ends with a whole repetition.

    Raises:
        UsageError: `seconds` is not above 0.
        VideoError: the video cannot be read, or its packets have no times.
        StorageError: the file cannot be written.
    """
    if not seconds > 0:
        raise UsageError(f"a video of {seconds} s cannot be looped; give more than 0")
    with atomic_path(path) as temporary, av.open(str(temporary), "w") as target:
        out, offset, written = None, 0, 0.0
        while written < seconds:
            with open_video(video) as (container, stream):
                if out is None:
                    out = target.add_stream_from_template(stream)
                end = 0
                try:
                    for packet in container.demux(stream):
                        if packet.size == 0:
                            continue
                        if packet.pts is None or packet.dts is None:
                            raise VideoError(f"{video} has packets without times; convert it first")
                        end = max(end, packet.pts + max(1, packet.duration or 0))
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = out
                        target.mux(packet)
                except READ_ERRORS as error:
                    raise VideoError(f"{video} cannot be copied: {error}") from error
                if end <= 0:
                    raise VideoError(f"{video} holds no packet; check that it plays")
                offset += end
                written = offset * float(stream.time_base)
    return path
