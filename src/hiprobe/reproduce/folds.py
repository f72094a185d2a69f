"""The tests of a data set: what is fitted on and what is held out, by fold or by its own split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.manifest import ManifestRow
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import UsageError
from hiprobe.gaps import covered_seconds
from hiprobe.probe.folds import grouped_folds
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.frame_test import FrameTest, Part, TestVideo
from hiprobe.reproduce.joined import Joining
from hiprobe.reproduce.own_truth import OwnTruth
from hiprobe.reproduce.request import DataSource
from hiprobe.segment import KEY_FRAMES
from hiprobe.states import LabelledStates, States

JOINED = (
    "{folds} folds grouped by source; held-out clips joined to one video a fold (cuts between "
    "normal clips as often as at events)"
)
NATURAL = "{folds} folds grouped by source; held-out videos whole, with their frame-level truth"
SPLIT = (
    "fitted on {share} of the training split, drawn by seed, one label a video; tested on every "
    "frame of the test split"
)
NOMINAL_FPS = 25.0
"""Where neither manifest nor video says."""

CLIPS = "{folds} folds grouped by source; clips only"


def tests_of(
    bench: Bench,
    data: DataSource,
    *,
    seed: int,
    key_frames: int = KEY_FRAMES,
    by_frame: bool = True,
) -> Iterator[FrameTest]:
    """One test for each fold, or one for a data set with a test split.

    Clips without frame-level truth are joined to untrimmed videos whose truth is known; videos
    with spans are tested as they are. Extracted states in place of videos give clips only.

    Args:
        by_frame: False leaves the videos out.
    """
    examples = bench.extraction.examples(data, key_frames=key_frames)
    truth = bench.extraction.truth(data)
    maker = _Maker(bench, data, truth, key_frames, by_frame)
    if truth is not None and truth.labelled is not None:
        yield maker.split_test(examples, seed)
        return
    labels = np.array([e.label for e in examples], dtype=np.int64)
    sources = [e.source for e in examples]
    pairs = grouped_folds(labels, sources, folds=bench.request.folds, seed=seed)
    for number, (fit, held) in enumerate(pairs):
        protocol = maker.protocol(examples).format(folds=len(pairs))
        chosen = [examples[i] for i in fit], [examples[i] for i in held]
        yield maker.test(*chosen, number, protocol, seed)


def joining(bench: Bench, data: DataSource, *, key_frames: int = KEY_FRAMES) -> Joining:
    """How videos of a data set are joined; they lie beside the results."""
    return Joining(bench.extraction, bench.request.out / "joined" / data.name, key_frames)


def clips_of(bench: Bench, data: DataSource, held: Sequence[LabelledStates]) -> list[LabelledClip]:
    """The videos of some labelled states; none for states that came from a file."""
    names = {e.name for e in held}
    found = (c for c in bench.extraction.clips(data) if c.name in names)
    return [c for c in found if not is_states_name(c.video)]


@dataclass(frozen=True)
class _Maker:
    """Builds the tests of one data set."""

    bench: Bench
    data: DataSource
    truth: OwnTruth | None
    key_frames: int
    by_frame: bool

    def protocol(self, examples: Sequence[LabelledStates]) -> str:
        """In one line, with a place for the count of folds."""
        if self.truth is not None and self.by_frame:
            return NATURAL
        joined = self.by_frame and bool(clips_of(self.bench, self.data, examples))
        return JOINED if joined else CLIPS

    def split_test(self, examples: Sequence[LabelledStates], seed: int) -> FrameTest:
        """The one test of a data set with a test split: its videos stand for held-out clips too."""
        if self.truth is None or self.truth.labelled is None:
            raise UsageError(f"{self.data.name} has no test split")
        place = self.bench.request.seeds.index(seed)
        names = {r.name for r in self.truth.labelled[place].rows}
        fit = tuple(e for e in examples if e.name in names)
        videos = tuple(self._natural(r, source=r.name) for r in self.truth.tested)
        share = f"{self.bench.request.labelled_share:.0%}"
        return FrameTest(self.data.name, fit, videos, (), SPLIT.format(share=share))

    def test(
        self,
        fit: Sequence[LabelledStates],
        held: Sequence[LabelledStates],
        number: int,
        protocol: str,
        seed: int,
    ) -> FrameTest:
        videos: tuple[TestVideo, ...] = ()
        if self.by_frame and self.truth is not None:
            rows = self._rows(self.truth)
            videos = tuple(self._natural(rows[e.name]) for e in held if e.name in rows)
        elif self.by_frame:
            videos = self._joined(held, number, seed)
        return FrameTest(self.data.name, tuple(fit), videos, tuple(held), protocol)

    def _joined(
        self, held: Sequence[LabelledStates], number: int, seed: int
    ) -> tuple[TestVideo, ...]:
        clips = clips_of(self.bench, self.data, held)
        where = joining(self.bench, self.data, key_frames=self.key_frames)
        found = where.video(clips, name=f"seed{seed}-fold{number}", seed=seed) if clips else None
        return () if found is None else (found,)

    def _rows(self, truth: OwnTruth) -> dict[str, ManifestRow]:
        """Rows with frame-level truth by the name of the clip."""
        rows = {r.video.resolve(): r for r in truth.tested}
        clips = self.bench.extraction.clips(self.data)
        found = ((c.name, rows.get(c.video.resolve())) for c in clips)
        return {name: row for name, row in found if row is not None}

    def _natural(self, row: ManifestRow, *, source: str | None = None) -> TestVideo:
        """A video as it is. In a published split a test video is its own source."""
        frames = row.frame_count or 0
        load = partial(self.bench.extraction.video, row.video, key_frames=self.key_frames)
        return TestVideo(
            name=row.name,
            load=load,
            frames=frames,
            fps=row.fps or _rate(row, load),
            spans=row.spans,
            parts=(Part(0, frames, source or row.source),),
            joined=False,
            path=None if is_states_name(row.video) else row.video,
        )


def _rate(row: ManifestRow, load: Callable[[], States]) -> float:
    """Frames a second where the manifest has none."""
    from hiprobe.video.probe import video_info

    if is_states_name(row.video):
        states = load()
        seconds = covered_seconds(states.start_seconds, states.end_seconds)
        return (row.frame_count or 0) / seconds
    return video_info(row.video).fps_from_header or NOMINAL_FPS
