"""Labels of a review as labelled clips, for a fit that reads the videos themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.datasets.clips import LabelledClip, LabelledClips, looks_normal, refuse_contradictions
from hiprobe.datasets.same_content import Digest
from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import StatesError, UsageError, VideoError
from hiprobe.failures import Failure
from hiprobe.names import path_text, text_path
from hiprobe.probe import Probe
from hiprobe.review.lessons import inside_of, standing
from hiprobe.review.store import STORE_NAME, ReviewStore
from hiprobe.review.values import Label
from hiprobe.store.states_file import read_times


@dataclass(frozen=True)
class KnownClips:
    """What the other clips of a fit say about classes and recordings.

    Attributes:
        normal, abnormal: names of their classes.
        sources: names of their recordings.
    """

    normal: frozenset[str] = frozenset()
    abnormal: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()

    def with_clips(self, clips: LabelledClips) -> KnownClips:
        """With what these clips say."""
        return KnownClips(
            normal=self.normal | set(clips.classes(0)),
            abnormal=self.abnormal | set(clips.classes(1)),
            sources=(*(clip.source for clip in clips.clips), *self.sources),
        )

    def with_probe(self, probe: Probe) -> KnownClips:
        """With what the clips of a probe say."""
        classes: tuple[set[str], ...] = set(), set()
        for example in probe.examples():
            classes[example.label].add(example.class_name)
        return KnownClips(
            normal=self.normal | classes[0],
            abnormal=self.abnormal | classes[1],
            sources=(*self.sources, *probe.sources_),
        )

    def is_normal(self, label: Label) -> bool:
        """Whether a label says that nothing happens.

        A class that no clip has is judged by its name.
        """
        if label.class_name is None:
            return label.kind == "normal"
        name = label.class_name.casefold()
        if name in {known.casefold() for known in self.normal}:
            return True
        return label.class_name not in self.abnormal and looks_normal(name)

    def source_of(self, video: Path) -> str:
        """The recording of a clip whose file has the same name; else the file itself."""
        same = [source for source in self.sources if text_path(source).name == video.name]
        return same[0] if same else path_text(video)


@dataclass(frozen=True)
class JoinedLabels:
    """Clips with those of a review after them, and the videos whose labels were left out."""

    clips: LabelledClips
    failures: tuple[Failure, ...]


def with_labels(
    found: LabelledClips, review: Path, *, known: KnownClips, digest: Digest
) -> JoinedLabels:
    """Labelled clips, and after them the stretches that a review labels.

    As in a refit, the last label on a stretch counts, `unsure` counts for nothing, and all
    stretches of a video have one source: that of the clips of the same file or file name. A stretch
    that the clips hold already counts once.

    Args:
        found: labelled clips; may be empty.
        review: a folder of results that was reviewed, or the store in it.
        known: what further clips of the fit say, such as those of a probe that is extended.
        digest: gives the SHA-256 of a file.

    Raises:
        UsageError: there is no review, or nothing is labelled in it.
        LabelError: a label contradicts a clip of the same file.
        StorageError: the store cannot be read.
    """
    labels, contents = _read(review)
    known = known.with_clips(found)
    names = Counter(text_path(path).name for path, _ in contents.values())
    clips, failures = [], []
    for video_id in dict.fromkeys(label.video_id for label in labels):
        text, content = contents[video_id]
        path = text_path(text)
        if why := _why_another(path, content, digest):
            failures.append(Failure(path, f"{path}: {why}"))
            continue
        # A name is enough in tables, unless two videos of the review share it.
        called = path_text(path.name) if names[path.name] == 1 else text
        own = [clip for clip in found.clips if clip.video.resolve() == path.resolve()]
        said = [label for label in labels if label.video_id == video_id]
        clips += _new([_clip(label, path, called, known) for label in said], own)
    stretches = "1 stretch" if len(clips) == 1 else f"{len(clips)} stretches"
    remark = f"taken from the review: {stretches} with labels"
    return JoinedLabels(
        LabelledClips((*found.clips, *clips), (*found.remarks, remark)), tuple(failures)
    )


def _read(review: Path) -> tuple[list[Label], dict[str, tuple[str, str | None]]]:
    """The labels that say something, and path and content of their videos."""
    file = review / STORE_NAME if review.is_dir() else review
    if not file.is_file():
        raise UsageError(
            f"{review} holds no labels; give a folder of results that was reviewed, which has "
            f"{STORE_NAME} in it"
        )
    with ReviewStore.open(file) as store:
        labels, contents = standing(store.labels()), store.contents()
    if not labels:
        raise UsageError(f"nothing is labelled in {review}; label some events first")
    return labels, {label.video_id: contents[label.video_id] for label in labels}


def _why_another(path: Path, content: str | None, digest: Digest) -> str | None:
    """Why a file is not the one that was reviewed; None where it is.

    A file that is gone passes: reading it fails later, with a message of its own.
    """
    try:
        if content is None or digest(path) == content:
            return None
    except VideoError:
        return None
    return (
        "is no longer the file that was reviewed: its content has changed, so its labels do not "
        "apply; score and review it again, or bring the old file back"
    )


def _clip(label: Label, video: Path, called: str, known: KnownClips) -> LabelledClip:
    start: float | None = label.start_seconds
    end: float | None = label.end_seconds
    name = f"{called} [{start:g}, {end:g} s)"
    if is_states_name(video):
        start, end = _of_whole_segments(video, label)
        name = called if start is None else f"{called} [{start:g}, {end:g} s)"
    is_normal = known.is_normal(label)
    return LabelledClip(
        video=video,
        label=0 if is_normal else 1,
        class_name=label.class_name or ("normal" if is_normal else "anomaly"),
        source=known.source_of(video),
        start_seconds=start,
        end_seconds=end,
        name=name,
    )


def _of_whole_segments(video: Path, label: Label) -> tuple[float | None, float | None]:
    """A label's stretch, moved to where segments begin and end: states cannot be cut elsewhere.

    Returns:
        Start and end in seconds; None for both if it is the whole video, which has a vector of its
        own.
    """
    start, end = label.start_seconds, label.end_seconds
    try:
        times = read_times(video)["segments"]
    except StatesError:  # reading the states will say what is wrong with them
        return start, end
    starts, ends = times.get("start_seconds"), times.get("end_seconds")
    if starts is None or ends is None or not len(starts):
        return start, end
    inside = inside_of(starts, ends, start, end)
    if inside.all():
        return None, None
    rows = inside.nonzero()[0]
    first, last = int(rows[0]), int(rows[-1])
    # Segments may overlap: the stretch ends before the next one begins.
    behind = starts[last + 1] if last + 1 < len(starts) else ends[last]
    return float(starts[first]), float(min(ends[last], behind))


def _new(taken: Sequence[LabelledClip], own: Sequence[LabelledClip]) -> list[LabelledClip]:
    """Those that are not among the clips of the same file, with the path and source of these."""
    # One by one, since labels of a review may overlap each other in part: two events that touch may
    # be judged differently.
    for clip in taken:
        refuse_contradictions([*own, clip])
    have = {(clip.start_seconds, clip.end_seconds) for clip in own}
    new = [clip for clip in taken if (clip.start_seconds, clip.end_seconds) not in have]
    if not own:
        return new
    return [replace(clip, video=own[0].video, source=own[0].source) for clip in new]
