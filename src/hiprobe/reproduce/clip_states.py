"""States of all data of a run, extracted once for all experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, FinalNorm
from hiprobe.datasets.clips import LabelledClip, LabelledClips, read_labelled
from hiprobe.datasets.manifest import Manifest, ManifestRow, manifest_clips, read_manifest
from hiprobe.datasets.same_content import settle_copies
from hiprobe.datasets.transfer import draw_subset
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import HiProbeError, LabelError, StatesError, UsageError
from hiprobe.paper import KEY_FRAMES
from hiprobe.pipeline import ExtractionSettings, Failure, Progress, extract_video, extract_views
from hiprobe.pipeline.engine import Course, Engine, FailuresOnly
from hiprobe.pipeline.source import ReadPlan, open_source
from hiprobe.reproduce.estimate import RowMaker
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.states import LabelledStates, Reading, States
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_cache import StatesCache


@dataclass(frozen=True)
class OwnTruth:
    """Videos whose abnormal frames are known.

    Attributes:
        manifest: the whole data set.
        labelled: with a test split: videos of the training split that a fit may see, for each
            seed; None without a test split.
    """

    manifest: Manifest
    labelled: tuple[Manifest, ...] | None

    @property
    def tested(self) -> tuple[ManifestRow, ...]:
        """Videos that can be tested by frame: of the test split where there is one."""
        rows = self.manifest.rows if self.labelled is None else self.manifest.split("test")
        return tuple(r for r in rows if r.annotated and r.frame_count)

    @property
    def fitted(self) -> Manifest | None:
        """Videos that are fitted on under any seed; None without a test split."""
        if self.labelled is None:
            return None
        # All seeds share one pass over the videos, so what any of them may see is read.
        names = {r.name for drawn in self.labelled for r in drawn.rows}
        rows = tuple(r for r in self.manifest.split("train") if r.name in names)
        return Manifest(self.manifest.dataset, rows, self.manifest.span_set, self.manifest.end)


def own_truth(data: DataSource, *, seeds: Sequence[int], share: float) -> OwnTruth | None:
    """The frame-level truth of a data set; None where only clips are labelled.

    Args:
        share: part of the training split that is labelled, drawn for each seed.
    """
    try:
        manifest = read_manifest(path=data.path)
    except HiProbeError:  # a folder, or a table of stretches: not a manifest of whole videos
        return None
    if not any(r.spans for r in manifest.rows):
        return None
    train, test = manifest.split("train"), manifest.split("test")
    # A split counts only if there is something to fit on and something to test by frame.
    if {r.label for r in train} != {0, 1} or not any(r.annotated and r.frame_count for r in test):
        return OwnTruth(manifest, None)
    drawn = tuple(draw_subset(manifest, fraction=share, seed=s, split="train") for s in seeds)
    return OwnTruth(manifest, drawn)


# What the vision tower alone gives, without the language model.
VISION_BASELINE: Reading = "vision_change_mean"

# Opens a progress bar of a name.
Listen = Callable[[str], AbstractContextManager[Progress | None]]


@dataclass
class Extraction:
    """States of clips and of test videos, by data set, key frames and reading.

    What was extracted once in a process is held; between processes the cache of states serves,
    so an interrupted pass goes on. The backbone is opened when a video has to be read, and never
    where all data are extracted states.

    Attributes:
        open_backbone: loads the backbone; called at most once.
        cache: None to extract again in each process.
        listen: shows progress; nothing is shown unless given.
        tell: takes sentences on clips that are left out, or that count as one.
        failures: files that could not be read; they are left out and named in the results.
    """

    request: ReproduceRequest
    open_backbone: Callable[[], Backbone]
    cache: StatesCache | None = None
    listen: Listen = lambda name: nullcontext(None)
    tell: Callable[[str], None] = lambda sentence: None
    failures: list[Failure] = field(default_factory=list)
    _backbone: Backbone | None = None
    _clips: dict[str, tuple[LabelledClip, ...]] = field(default_factory=dict)
    _truths: dict[str, OwnTruth | None] = field(default_factory=dict)
    _examples: dict[tuple[str, int, Reading], tuple[LabelledStates, ...]] = field(
        default_factory=dict
    )

    @property
    def backbone(self) -> Backbone:
        """The backbone, opened on first use."""
        if self._backbone is None:
            self._backbone = self.open_backbone()
        return self._backbone

    @property
    def offers_final_norm(self) -> bool:
        """Whether states before the final norm can be brought behind it."""
        videos = not all(self.is_extracted(d) for d in self.request.data)
        return videos and isinstance(self.backbone, FinalNorm)

    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """States `[n, width]` of the last layer as the model's head would see them.

        Raises:
            UsageError: the backbone does not offer it.
        """
        if not isinstance(self.backbone, FinalNorm):
            raise UsageError("this backbone does not offer its final norm")
        return self.backbone.final_norm(values)

    def is_extracted(self, data: DataSource) -> bool:
        """Whether all its clips are files of extracted states."""
        return all(is_states_name(c.video) for c in self.clips(data))

    def clips(self, data: DataSource) -> tuple[LabelledClip, ...]:
        """The labelled clips that may be fitted on; nothing is decoded.

        Of a data set with a test split they are those drawn from its training split.

        Raises:
            LabelError: as `read_clips`.
        """
        if data.name not in self._clips:
            self._clips[data.name] = self._read_clips(data)
        return self._clips[data.name]

    def truth(self, data: DataSource) -> OwnTruth | None:
        """The data set's own frame-level truth; None where only clips are labelled."""
        if data.name not in self._truths:
            request = self.request
            self._truths[data.name] = own_truth(
                data, seeds=request.seeds, share=request.labelled_share
            )
        return self._truths[data.name]

    def examples(
        self,
        data: DataSource,
        *,
        key_frames: int = KEY_FRAMES,
        reading: Reading | None = None,
    ) -> tuple[LabelledStates, ...]:
        """States of all layers of every clip that can be read, by clip and by segment.

        Args:
            key_frames: K of each clip and segment.
            reading: the request's first unless given; those of the request share one pass.

        Raises:
            LabelError: nothing of one class can be read.
        """
        wanted = reading or self.request.reading
        readings = self._together(wanted)
        return self.views(data, readings, key_frames=key_frames)[readings.index(wanted)]

    def views(
        self, data: DataSource, readings: Sequence[Reading], *, key_frames: int = KEY_FRAMES
    ) -> list[tuple[LabelledStates, ...]]:
        """The same clips at several readings, made in one pass where one is not there yet.

        Args:
            key_frames: K of each clip and segment.

        Raises:
            LabelError: nothing of one class can be read.
        """
        if any((data.name, key_frames, r) not in self._examples for r in readings):
            views = self._extract(data, self.settings(key_frames, tuple(readings)))
            for own, view in zip(readings, views, strict=True):
                self._examples[data.name, key_frames, own] = tuple(view)
        return [self._examples[data.name, key_frames, r] for r in readings]

    def read_together(self, data: DataSource, counts: Sequence[int]) -> None:
        """Read each clip under several K in a row, for `examples` to find them in the cache.

        Pictures that several K show are then looked at once, by a backbone that remembers them.
        What cannot be read is left for `examples` to name.
        """
        clips = [c for c in self.clips(data) if not is_states_name(c.video)]
        if self.cache is None or not clips:
            return

        def read(clip: LabelledClip, _: Course) -> None:
            for k in counts:
                settings = self.settings(k)
                extract_views([clip], backbone=self.backbone, settings=settings, cache=self.cache)

        with self.listen(f"{data.name}, K = {', '.join(map(str, counts))}") as progress:
            Engine(FailuresOnly(), progress).map(read, clips)

    def video(
        self, path: Path, *, key_frames: int = KEY_FRAMES, reading: Reading | None = None
    ) -> States:
        """All layers of every segment of one video, which need not be among the clips.

        Args:
            reading: the request's first unless given.

        Raises:
            VideoError, StatesError, BackboneMemoryError: as `extract_video`.
        """
        wanted = reading or self.request.reading
        if is_states_name(path):
            held = _states_in(path)
            if wanted not in held:
                raise StatesError(
                    f"{path} holds segments read at {sorted(held)}, not at {wanted}; extract it "
                    "again"
                )
            return held[wanted]
        with self.listen(path.name) as progress:
            found = extract_video(
                path,
                backbone=self.backbone,
                settings=self.settings(key_frames, self._together(wanted)),
                cache=self.cache,
                progress=progress,
            )
        return found.states[wanted]

    def holds(self, video: Path, reading: Reading) -> bool:
        """Whether there are states at a reading; a video can always give them."""
        return not is_states_name(video) or reading in _states_in(video)

    def settings(
        self, key_frames: int = KEY_FRAMES, readings: tuple[Reading, ...] | None = None
    ) -> ExtractionSettings:
        """How videos are read: all layers, at the request's readings unless others are given."""
        return ExtractionSettings(
            segment_seconds=self.request.segment_seconds,
            key_frames=key_frames,
            readings=readings or self.request.readings,
        )

    def backbone_words(self) -> str:
        """The model whose states were used, and its fingerprint."""
        # States on disk name their model themselves, so no backbone is opened only for these words.
        found = next(iter(self._examples.values()), ())
        states = [s for e in found[:1] for s in (e.clip, e.segments) if s is not None]
        if not states and self._backbone is None:
            return self.request.backbone.known_as
        made = states[0].fingerprint if states else self.backbone.fingerprint
        return f"{made.model}, {made.dtype}, fingerprint {made.digest}"

    def summary(self, data: DataSource) -> str:
        """What a data set is, in words for the results; without the place it lies in."""
        clips, truth = self.clips(data), self.truth(data)
        anomalous = sum(c.label for c in clips)
        lost = len({c.video for c in clips} & {f.video for f in self.failures})
        left_out = f"; {lost} files could not be read and are left out" if lost else ""
        tested = ""
        if truth is not None and truth.labelled is not None:
            tested = (
                f", {self.request.labelled_share:.0%} of the training split for each of "
                f"{len(truth.labelled)} seeds; {len(truth.tested)} test videos"
            )
        return (
            f"{len(clips)} clips ({len(clips) - anomalous} normal, {anomalous} abnormal) of "
            f"{len({c.source for c in clips})} sources{tested}{left_out}"
        )

    def leave_out(self, failures: Iterable[Failure]) -> None:
        """Note files that could not be read, to be named in the results."""
        # Each reading and each K meets the same broken files; they are named once.
        known = {f.video for f in self.failures}
        self.failures += [f for f in failures if f.video not in known]

    def _read_clips(self, data: DataSource) -> tuple[LabelledClip, ...]:
        truth = self.truth(data)
        if truth is not None and truth.fitted is not None:
            return manifest_clips(truth.fitted)
        if data.path.suffix.lower() == ".parquet":
            found = LabelledClips(manifest_clips(read_manifest(path=data.path)))
        else:  # all splits: folds hold out what is tested
            found = read_labelled(data.path, normal=data.normal, split="all")
        digest = content_hash if self.cache is None else self.cache.content_hash
        settled = settle_copies(found.clips, digest=digest)
        for remark in (*found.remarks, *settled.remarks):
            self.tell(f"{data.name}: {remark}")
        return settled.clips

    def _extract(
        self, data: DataSource, settings: ExtractionSettings
    ) -> list[list[LabelledStates]]:
        clips = self.clips(data)
        needed = any(not is_states_name(c.video) for c in clips)
        with self.listen(data.name) as progress:
            views, failures = extract_views(
                clips,
                backbone=self.backbone if needed else None,
                settings=settings,
                cache=self.cache,
                progress=progress,
            )
        self.leave_out(failures)
        if {e.label for e in views[0]} != {0, 1}:
            raise LabelError(
                f"{data.name}: after leaving out {len(failures)} files that could not be read, "
                f"one class has no clip ({failures[0].reason if failures else 'no clips'})"
            )
        return views

    def _together(self, reading: Reading) -> tuple[Reading, ...]:
        """All readings of the request in one pass; another one by itself."""
        return self.request.readings if reading in self.request.readings else (reading,)


def _states_in(path: Path) -> Mapping[Reading, States]:
    """The states of segments in a file, by reading."""
    (found,) = open_source(path).states(ReadPlan(backbone=None))
    return found.states


@dataclass(frozen=True)
class Bench:
    """Everything that an experiment is given.

    Attributes:
        request: the settings of the run.
        extraction: states of the data, extracted once for all experiments.
        finished: finished pieces of this experiment, so that an interrupted run goes on.
        say: takes a line about the course of the run.
    """

    request: ReproduceRequest
    extraction: Extraction
    finished: FinishedPieces
    say: Callable[[str], None]

    def with_vision(self, videos: Sequence[Path]) -> tuple[Bench, Bench | None]:
        """This bench and one that reads the vision tower's change, both from one pass.

        Args:
            videos: one of each set that is read; files of states may lack the reading.

        Returns:
            A bench of its own first reading, and one of the vision baseline; None in its place
            where a set does not hold it.
        """
        # Where the run reads it anyway, it would be compared with itself.
        if VISION_BASELINE in self.request.readings or not all(
            self.extraction.holds(v, VISION_BASELINE) for v in videos
        ):
            return self, None
        own = self.request.readings
        # The same readings in another order: the first one is what a bench reads, and one pass over
        # the videos makes all of them.
        both = [(*own, VISION_BASELINE), (VISION_BASELINE, *own)]
        first, second = (self._reading(readings) for readings in both)
        return first, second

    def _reading(self, readings: tuple[Reading, ...]) -> Bench:
        request = replace(self.request, readings=readings)
        return replace(self, request=request, extraction=replace(self.extraction, request=request))

    def table(self, data: DataSource, section: str, protocol: str) -> RowMaker:
        """A maker of rows on one data set, under the seeds and draws of the run."""
        return RowMaker(data.name, section, protocol, self.request.seeds, self.request.draws)
