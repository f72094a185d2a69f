"""From a file to its events: what each stage takes alone, and all of them together."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from hiprobe.backbones.interface import Backbone
from hiprobe.bench.ways import Fresh, Say
from hiprobe.datasets.clips import LabelledClip
from hiprobe.errors import BackboneError, StatesError
from hiprobe.machine import NOTHING, Took, took
from hiprobe.pipeline import detect_video, extract_views
from hiprobe.pipeline.detection import DetectResult
from hiprobe.pipeline.reading import BATCH_SEGMENTS, ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.report.writers import ScoredVideo, write_result
from hiprobe.segment import Cut, Segment
from hiprobe.video.decode import FrameReader
from hiprobe.video.segments import SegmentReader
from hiprobe.video.write import save_clip

# What `detect` writes by default.
FORMATS = ("json", "csv", "png")

# How often the processor time of the command is looked up: what passes after the last look is lost.
_POLL_SECONDS = 0.02

STAGES = ("opening", "decoding", "resizing", "vision", "decoder", "scoring", "writing")


@dataclass(frozen=True)
class EndToEnd:
    """Times of one video.

    Attributes:
        video_seconds: its length.
        segments: how many it gave.
        layer: the layer that the probe reads.
        stages: what each of `STAGES` took by itself. Opening is the time of the whole command on a
            clip of one segment, libraries and weights included, without what that segment takes in
            the other stages.
        together: the run from the video to its files, with an open backbone.
    """

    backbone: str
    video_seconds: float
    segments: int
    layer: int
    stages: Mapping[str, Took]
    together: Took

    @property
    def real_time_factor(self) -> float:
        """Seconds of video for each second of work, without opening."""
        return self.video_seconds / self.together.seconds

    @property
    def share_of_slower(self) -> float:
        """Time of the slower of frames and model alone, as a share of the run.

        1 where everything else happens meanwhile.
        """
        return max(self._frames, self._model) / self.together.seconds

    @property
    def overlap(self) -> float:
        """Which share of the quicker of frames and model happens while the other works.

        0 where one waits for the other, 1 where only the slower one is felt.
        """
        others = self.stages["scoring"].seconds + self.stages["writing"].seconds
        # What the run took beyond the slower one is the quicker one's time that nobody hid.
        waited = self.together.seconds - max(self._frames, self._model) - others
        return min(1.0, max(0.0, 1.0 - waited / max(min(self._frames, self._model), 1e-9)))

    @property
    def _frames(self) -> float:
        return self.stages["decoding"].seconds + self.stages["resizing"].seconds

    @property
    def _model(self) -> float:
        return self.stages["vision"].seconds + self.stages["decoder"].seconds


def measure_end_to_end(
    backbone: Backbone, video: Path, *, name: str, command_name: str | None, say: Say
) -> EndToEnd:
    """Time the stages of a video one by one, then the run.

    Args:
        name: the backbone as people know it.
        command_name: the backbone as the command line takes it. None where it has no name there,
            such as one of random weights; then opening is not measured.
        say: is called with what is being measured now.

    Raises:
        VideoError: the video cannot be read.
        StatesError: the command failed on a clip of one segment.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        say(f"{name}: fitting a probe, and the stages one by one")
        probe = _fitted(backbone, video)
        layer = probe.layer_
        decoding = took(lambda: _drained(FrameReader(video)))
        segments = list(SegmentReader(video, Cut()))
        frames = took(lambda: _drained(SegmentReader(video, Cut())))
        model, vision = _model_times(backbone, segments, layer)
        say(f"{name}: the whole run")
        results: list[DetectResult] = []
        together = took(
            lambda: results.append(_detected(video, probe, backbone, place / "together"))
        )
        (result,) = results
        scoring = took(lambda: probe.detect(result.states))
        writing = took(lambda: _written(result, probe, place / "alone"))
        # Measured by the whole command and not by an import here, where libraries are loaded
        # already and the file's blocks are in memory.
        opening = NOTHING
        if command_name is not None:
            say(f"{name}: the command from its start")
            others = (model + frames) / len(segments) + scoring + writing
            opening = _start_times(probe, video, place, command_name) - others
    return EndToEnd(
        backbone=name,
        video_seconds=segments[-1].end_seconds - segments[0].start_seconds,
        segments=len(segments),
        layer=layer,
        stages={
            "opening": opening,
            "decoding": decoding,
            "resizing": frames - decoding,
            "vision": vision,
            "decoder": model - vision,
            "scoring": scoring,
            "writing": writing,
        },
        together=together,
    )


def _fitted(backbone: Backbone, video: Path) -> Probe:
    """A probe on four stretches of the video; what it finds means nothing, only its time does."""
    # Two of each kind, each a source of its own: the fewest that can be fitted with folds.
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
    """Read to the end, and keep nothing: kept pictures would make memory part of the time."""
    return sum(1 for _ in items)


def _model_times(backbone: Backbone, segments: Sequence[Segment], layer: int) -> tuple[Took, Took]:
    """Time of all segments in batches to a layer, and of the vision tower alone.

    The two take turns batch by batch, so that a slow moment of the machine hits both. The second is
    0 where the tower cannot be run without the decoder.
    """
    # Fresh pictures for each of the two: a backbone that remembers pictures would skip its tower.
    fresh, model, vision = Fresh(segments), NOTHING, NOTHING
    for first in range(0, len(segments), BATCH_SEGMENTS):
        count = len(segments[first : first + BATCH_SEGMENTS])
        batch, other = [fresh() for _ in range(count)], [fresh() for _ in range(count)]
        model += took(partial(backbone.states, batch, layers=[layer]))
        with suppress(BackboneError, StatesError):  # a backbone of another package may lack it
            vision += took(partial(backbone.states, other, layers=[1], readings=("vision_mean",)))
    return model, vision


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


def _start_times(probe: Probe, video: Path, place: Path, command_name: str) -> Took:
    """Time of `hiprobe detect` on the first segment of a video, from its start to its end.

    Raises:
        StatesError: it failed; the message says how.
    """
    clip = place / "first.mp4"
    first = next(iter(SegmentReader(video, Cut())))
    save_clip(video, start_seconds=0.0, end_seconds=first.end_seconds, path=clip)
    probe.save(place / "probe")
    words = ["detect", str(place / "probe"), str(clip), "-o", str(place / "start"), "--no-cache"]
    words += ["--format", ",".join(FORMATS), "-q", "--backbone", command_name]
    command, said = [sys.executable, "-m", "hiprobe", *words], place / "said.txt"
    began = time.perf_counter()
    with said.open("w", encoding="utf-8") as errors:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        used = _processor_seconds(process)
    taken = Took(time.perf_counter() - began, used)
    if process.wait():
        lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else "no word"
        raise StatesError(f"hiprobe detect on {clip.name} failed: {reason}")
    return taken


def _processor_seconds(process: psutil.Popen) -> float:
    """Processor time of a process, looked up until it ends: afterwards nobody can ask for it."""
    used = 0.0
    while process.poll() is None:
        with suppress(psutil.Error):
            times = process.cpu_times()
            used = times.user + times.system
        time.sleep(_POLL_SECONDS)
    return used
