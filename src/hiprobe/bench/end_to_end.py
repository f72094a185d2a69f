"""From a file to its events: what each stage takes alone, and all of them together."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.bench.ways import Fresh, Say
from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import BackboneError, StatesError
from hiprobe.machine import seconds_of
from hiprobe.pipeline import detect_video, extract_views
from hiprobe.pipeline.detection import DetectResult
from hiprobe.pipeline.reading import BATCH_SEGMENTS, ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.report.writers import ScoredVideo, write_result
from hiprobe.segment import Cut, Segment
from hiprobe.video.decode import FrameReader
from hiprobe.video.segments import SegmentReader
from hiprobe.video.write import save_clip

FORMATS = ("json", "csv", "png")
"""What `detect` writes by default."""


@dataclass(frozen=True)
class EndToEnd:
    """Times of one video, in seconds.

    Attributes:
        video_seconds: its length.
        segments: how many it gave.
        layer: that the probe reads.
        opening: of the whole command on a clip of one segment, libraries and weights included,
            without what that segment takes in the other stages.
        decoding, resizing, vision, decoder, scoring, writing: each stage by itself.
        together: the run from the video to its files, with an open backbone.
    """

    backbone: str
    video_seconds: float
    segments: int
    layer: int
    opening: float
    decoding: float
    resizing: float
    vision: float
    decoder: float
    scoring: float
    writing: float
    together: float

    @property
    def stages(self) -> dict[str, float]:
        """By name, in their order."""
        names = ("opening", "decoding", "resizing", "vision", "decoder", "scoring", "writing")
        return {name: getattr(self, name) for name in names}

    @property
    def real_time_factor(self) -> float:
        """Seconds of video for each second of work, without opening."""
        return self.video_seconds / self.together

    @property
    def share_of_slower(self) -> float:
        """The slower of frames and model by themselves, over the run: 1 where all else is hidden
        behind it."""
        frames, model = self.decoding + self.resizing, self.vision + self.decoder
        return max(frames, model) / self.together

    @property
    def overlap(self) -> float:
        """Share of the quicker one of frames and model that passes while the other works."""
        frames, model = self.decoding + self.resizing, self.vision + self.decoder
        waited = self.together - max(frames, model) - self.scoring - self.writing
        return min(1.0, max(0.0, 1.0 - waited / max(min(frames, model), 1e-9)))


def measure_end_to_end(
    backbone: Backbone, video: Path, *, name: str, command_name: str | None, say: Say
) -> EndToEnd:
    """Time the stages of a video one by one, then the run.

    Args:
        command_name: the backbone as the command line takes it; None where it has no name there,
            such as one of random weights: then opening is not measured.

    Raises:
        VideoError: the video cannot be read.
        StatesError: the command failed on a clip of one segment.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        say(f"{name}: fitting a probe, and the stages one by one")
        probe = _fitted(backbone, video)
        layer = probe.layer_
        decoding = seconds_of(lambda: _drained(FrameReader(video)))
        segments = list(SegmentReader(video, Cut()))
        resizing = max(0.0, seconds_of(lambda: _drained(SegmentReader(video, Cut()))) - decoding)
        model, vision = _model_seconds(backbone, segments, layer)
        say(f"{name}: the whole run")
        results: list[DetectResult] = []
        together = seconds_of(
            lambda: results.append(_detected(video, probe, backbone, place / "together"))
        )
        (result,) = results
        assert result.video is not None
        scoring = seconds_of(lambda: probe.detect(result.states))
        writing = seconds_of(lambda: _written(result, probe, place / "alone"))
        per_segment = (model + decoding + resizing) / len(segments) + scoring + writing
        opening = 0.0
        if command_name is not None:
            say(f"{name}: the command from its start")
            opening = max(0.0, _start_seconds(probe, video, place, command_name) - per_segment)
    return EndToEnd(
        backbone=name,
        video_seconds=segments[-1].end_seconds - segments[0].start_seconds,
        segments=len(segments),
        layer=layer,
        opening=opening,
        decoding=decoding,
        resizing=resizing,
        vision=vision,
        decoder=max(0.0, model - vision),
        scoring=scoring,
        writing=writing,
        together=together,
    )


def _fitted(backbone: Backbone, video: Path) -> Probe:
    """A probe on four stretches of the video; what it finds means nothing."""
    length = max(s.end_seconds for s in SegmentReader(video, Cut()))
    clips = [
        LabelledClip(
            video=video,
            label=number % 2,
            class_name=("normal", "abnormal")[number % 2],
            source=f"part {number}",
            start_seconds=length * number / 4,
            end_seconds=length * number / 4 + min(1.0, length / 4),
            name=f"part {number}",
        )
        for number in range(4)
    ]
    views, failures = extract_views(clips, backbone=backbone)
    if failures:
        raise StatesError(f"{video}: {failures[0].reason}")
    return Probe(mode="clip").fit(views[0])


def _drained(items: FrameReader | SegmentReader) -> int:
    """Read to the end, and keep nothing."""
    return sum(1 for _ in items)


def _model_seconds(
    backbone: Backbone, segments: Sequence[Segment], layer: int
) -> tuple[float, float]:
    """Of all segments in batches to a layer, and of the vision tower alone.

    The two take turns batch by batch, so that a slow moment of the machine hits both. The second is
    0 where the tower cannot be run without the decoder.
    """
    fresh, model, vision = Fresh(segments), 0.0, 0.0
    for first in range(0, len(segments), BATCH_SEGMENTS):
        count = len(segments[first : first + BATCH_SEGMENTS])
        batch, other = [fresh() for _ in range(count)], [fresh() for _ in range(count)]
        model += seconds_of(partial(backbone.states, batch, layers=[layer]))
        with suppress(BackboneError, StatesError):  # a backbone of another package may lack it
            vision += seconds_of(
                partial(backbone.states, other, layers=[1], readings=("vision_mean",))
            )
    return model, min(vision, model)


def _detected(video: Path, probe: Probe, backbone: Backbone, out: Path) -> DetectResult:
    settings = ExtractionSettings.like(probe.provenance_)
    found = detect_video(video, probe=probe, backbone=backbone, settings=settings)
    _written(found, probe, out)
    return found


def _written(found: DetectResult, probe: Probe, out: Path) -> None:
    assert found.video is not None
    scored = ScoredVideo(
        video=found.video, timeline=found.timeline, probe=probe.facts(), has_pictures=True
    )
    write_result(scored, out, formats=FORMATS, name="bench")


def _start_seconds(probe: Probe, video: Path, place: Path, command_name: str) -> float:
    """Of `hiprobe detect` on the first segment of a video, from its start to its end.

    Raises:
        StatesError: it failed; with what it said.
    """
    clip = place / "first.mp4"
    first = next(iter(SegmentReader(video, Cut())))
    save_clip(video, start_seconds=0.0, end_seconds=first.end_seconds, path=clip)
    probe.save(place / "probe")
    words = ["detect", str(place / "probe"), str(clip), "-o", str(place / "start"), "--no-cache"]
    words += ["--format", ",".join(FORMATS), "-q", "--backbone", command_name]
    done: list[subprocess.CompletedProcess[str]] = []

    def run() -> None:
        command = [sys.executable, "-m", "hiprobe", *words]
        done.append(subprocess.run(command, capture_output=True, text=True, check=False))

    taken = seconds_of(run)
    if done[0].returncode:
        said = done[0].stderr.strip().splitlines() or ["nothing"]
        raise StatesError(f"hiprobe detect on {clip.name} ended with its error: {said[-1]}")
    return taken
