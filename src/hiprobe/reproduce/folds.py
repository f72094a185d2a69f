"""The tests of a data set: what is fitted on and what is held out, by fold or by its own split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hiprobe.datasets.clips import STATES_SUFFIX, LabelledClip
from hiprobe.datasets.manifest import ManifestRow, read_manifest
from hiprobe.errors import HiProbeError
from hiprobe.probe.folds import grouped_folds
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.frame_test import FrameTest, Part, TestVideo
from hiprobe.reproduce.joined import Joining
from hiprobe.reproduce.request import DataSource
from hiprobe.segment import KEY_FRAMES
from hiprobe.states import LabelledStates

JOINED = (
    "{folds} folds grouped by source; held-out clips joined to one video a fold (cuts between "
    "normal clips as often as at events)"
)
NATURAL = "{folds} folds grouped by source; held-out videos whole, with their frame-level truth"
SPLIT = "fitted on the training split, tested on the test split with its frame-level truth"
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
    maker = _Maker(bench, data, _own_truth(bench, data), key_frames, by_frame)
    if any(r.split == "test" for r in maker.rows.values()):
        train = [e for e in examples if maker.split(e) == "train"]
        yield maker.test(train, [e for e in examples if maker.split(e) == "test"], 0, SPLIT, seed)
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
    return [c for c in found if c.video.suffix != STATES_SUFFIX]


@dataclass(frozen=True)
class _Maker:
    """Builds the tests of one data set; `rows` has the clips with frame-level truth, by name."""

    bench: Bench
    data: DataSource
    rows: Mapping[str, ManifestRow]
    key_frames: int
    by_frame: bool

    def split(self, example: LabelledStates) -> str:
        row = self.rows.get(example.name)
        return "" if row is None else row.split

    def protocol(self, examples: Sequence[LabelledStates]) -> str:
        if self.rows and self.by_frame:
            return NATURAL
        joined = self.by_frame and bool(clips_of(self.bench, self.data, examples))
        return JOINED if joined else CLIPS

    def test(
        self,
        fit: Sequence[LabelledStates],
        held: Sequence[LabelledStates],
        number: int,
        protocol: str,
        seed: int,
    ) -> FrameTest:
        videos: tuple[TestVideo, ...] = ()
        if self.by_frame and self.rows:
            videos = tuple(self._natural(self.rows[e.name]) for e in held if e.name in self.rows)
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

    def _natural(self, row: ManifestRow) -> TestVideo:
        from hiprobe.video.probe import video_info

        frames = row.frame_count or 0
        return TestVideo(
            name=row.name,
            load=partial(self.bench.extraction.video, row.video, key_frames=self.key_frames),
            frames=frames,
            fps=row.fps or video_info(row.video).fps_from_header or NOMINAL_FPS,
            spans=row.spans,
            parts=(Part(0, frames, row.source),),
            joined=False,
        )


def _own_truth(bench: Bench, data: DataSource) -> dict[str, ManifestRow]:
    """Rows with frame-level truth by the clip's name; none where only clips are labelled."""
    try:
        manifest = read_manifest(path=data.path)
    except HiProbeError:  # a folder, or a table of stretches: not a manifest of whole videos
        return {}
    if not any(r.spans for r in manifest.rows):
        return {}
    rows = {r.video.resolve(): r for r in manifest.rows if r.annotated and r.frame_count}
    found = ((c.name, rows.get(c.video.resolve())) for c in bench.extraction.clips(data))
    return {name: row for name, row in found if row is not None}
