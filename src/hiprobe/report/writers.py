"""Output formats: those of HiProbe, and those that other installed packages add.

A format is a function `write(result, folder, name) -> list of files`, marked with `writes(...)`
and registered as an entry point of the group `hiprobe.writers`; docs/extending.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from hiprobe.errors import UsageError
from hiprobe.names import LONGEST_ENDING, fits_file_name, path_text
from hiprobe.objects import make_folder
from hiprobe.plugins import Registry
from hiprobe.store.text_files import WRITERS_GROUP, inside

if TYPE_CHECKING:
    from datetime import datetime

    from hiprobe.evaluation.cuts import CutMeasures
    from hiprobe.pipeline.detection import DetectResult
    from hiprobe.report.layer_chart import LayerCurves
    from hiprobe.report.words import Span
    from hiprobe.timeline import Timeline

# Pictures of one event in the HTML report: its first, middle and last key frame.
THUMBNAILS = 3

# Clips in one HTML report, of its highest events; each is some 200 kB, and a page is one file.
MOST_CLIPS = 20

# Small and coarse: enough to see what happens, at some 200 kB for ten seconds.
CLIP_SIDE_PIXELS, CLIP_CRF = 360, 28


@dataclass(frozen=True)
class ScoredVideo:
    """One scored video with everything that a report may say about it: what a format gets.

    Attributes:
        video: the file that was scored, a video or extracted states.
        timeline: its segments' scores, its events, and the model's words where it was asked.
        probe: facts about the probe as JSON values (layer, mode, fingerprint, ...).
        has_pictures: False where extracted states were scored, so that there is nothing to draw on.
        truth_spans: known events as `(start, end)` in seconds; None where they are not known,
            empty where there is none.
        cuts_seconds: where a video that was joined from clips passes from one to the next.
        facts: what else to state about the video (segments, speed), name to value.
        layers: measures of the layers on the clips of the fit, where they are to be shown.
        notes: sentences that a report shows first (the scenes are rendered, ...).
        kind: the same in two words, for tables and pictures ("rendered scenes"); may be empty.
    """

    video: Path
    timeline: Timeline
    probe: Mapping[str, Any] = field(default_factory=dict)
    has_pictures: bool = True
    truth_spans: Sequence[Span] | None = None
    cuts_seconds: Sequence[float] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    layers: LayerCurves | None = None
    notes: Sequence[str] = ()
    kind: str = ""

    @classmethod
    def of(cls, result: DetectResult) -> ScoredVideo:
        """What `detect_video` returned.

        Raises:
            UsageError: the result does not say which video it is of.
        """
        if result.video is None:
            raise UsageError("this result names no video; give a ScoredVideo with its path")
        from hiprobe.datasets.video_files import is_states_name

        # Anything with a layer and `detect` may score a video, but only a Probe has facts.
        facts = getattr(result.probe, "facts", None)
        return cls(
            video=result.video,
            timeline=result.timeline,
            probe=facts() if facts else {},
            has_pictures=not is_states_name(result.video),
            facts={"segments": len(result.timeline)},
        )

    def cuts(self) -> CutMeasures | None:
        """Measures with and without the segments that contain a cut of a joined video.

        None where the truth or the cuts are not known.
        """
        if self.truth_spans is None or not self.cuts_seconds:
            return None
        from hiprobe.evaluation.cuts import measure_cuts

        return measure_cuts(
            self.timeline, truth_spans=self.truth_spans, cuts_seconds=self.cuts_seconds
        )


class Writer(Protocol):
    """An output format."""

    # What the names of its files may end in, with the dot: `(".csv", ".events.csv")`. They are
    # reserved for the videos of an output folder, so that no result replaces that of another.
    endings: tuple[str, ...]

    def __call__(self, result: ScoredVideo, folder: Path, name: str) -> list[Path]:
        """Write `folder / (name + ending)` for some of the endings; returns the files written.

        Args:
            result: what to write.
            folder: the output folder; it is there, and so is every folder that `name` names.
            name: what the results of this video are called, with `/` where it lies deeper.
        """
        ...


# All formats by name; `WRITERS.register(name, lambda: writer)` adds one for this process.
WRITERS: Registry[Writer | type[Writer]] = Registry(WRITERS_GROUP, "format")


def writes(*endings: str) -> Callable[[Callable[[ScoredVideo, Path, str], list[Path]]], Writer]:
    """Mark a function as an output format that writes files of these endings."""

    def mark(function: Callable[[ScoredVideo, Path, str], list[Path]]) -> Writer:
        vars(function)["endings"] = endings
        return cast("Writer", function)

    return mark


def write_result(
    result: ScoredVideo | DetectResult,
    folder: Path | str,
    *,
    formats: Iterable[str] = ("json",),
    name: str | None = None,
) -> list[Path]:
    """Write a scored video in some formats, as `hiprobe detect --format` does.

    Files of the same name are replaced.

    Args:
        result: what `detect_video` returned, or a `ScoredVideo`, which can hold more.
        folder: where to write; made where it is missing.
        formats: names out of `format_names()`.
        name: what the files are called, without their endings; None for the video's own name.

    Returns:
        The files, in the order of writing.

    Raises:
        UsageError: a format is not known or cannot be loaded.
        OutsideFolderError: a file would lie outside of the folder.
        StorageError: a file cannot be written.
        VideoError: the video cannot be read again for its pictures.
    """
    scored = result if isinstance(result, ScoredVideo) else ScoredVideo.of(result)
    called = fits_file_name(scored.video.stem) if name is None else name
    chosen = [formats] if isinstance(formats, str) else formats
    # Loaded before the first one writes: a slip in the last name leaves no half of the results.
    writers = {known: find_writer(known) for known in chosen}
    written: list[Path] = []
    for known, writer in writers.items():
        places = {inside(Path(folder), f"{called}{ending}") for ending in writer.endings}
        for place in places:
            make_folder(place.parent)
        files = writer(scored, Path(folder), called)
        # A file under another ending could replace the result of another video.
        strangers = sorted(str(file) for file in files if file not in places)
        if strangers:
            raise UsageError(
                f"the format {known!r} wrote {strangers[0]}, which is not one of the files that it "
                f"announced for {called!r} ({', '.join(writer.endings)}); its author must add the "
                "ending, or write into the given folder"
            )
        written += files
    return written


def format_names() -> tuple[str, ...]:
    """The formats there are: HiProbe's own, then those of other installed packages by name."""
    return WRITERS.names()


def find_writer(name: str) -> Writer:
    """The format of a name.

    Raises:
        UsageError: there is none, or it cannot be loaded.
    """
    writer: Any = WRITERS.get(name)
    if isinstance(writer, type):
        writer = writer()
    endings = getattr(writer, "endings", None)
    if not (callable(writer) and isinstance(endings, tuple) and all(map(_is_ending, endings))):
        raise UsageError(
            f"the format {name!r} does not say what its files end in; its author must mark the "
            "function with hiprobe.report.writers.writes('.ending'), an ending of at most "
            f"{LONGEST_ENDING} bytes"
        )
    return writer  # type: ignore[no-any-return]


def _is_ending(text: object) -> bool:
    """Whether a text can end a file's name; names of videos leave room for one of this length."""
    return (
        isinstance(text, str)
        and text.startswith(".")
        and not {"/", "\\"} & set(text)
        and len(text.encode()) <= LONGEST_ENDING
    )


@writes(".json")
def write_json_file(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
    """The whole timeline as one JSON document."""
    from hiprobe.report.documents import timeline_document, write_json

    path, cuts = folder / f"{name}.json", result.cuts()
    document = timeline_document(
        result.timeline,
        video=path_text(result.video),
        probe=result.probe,
        truth_spans=result.truth_spans,
        notes=result.notes,
        cuts=None if cuts is None else cuts.to_json(),
    )
    write_json(document, path)
    return [path]


@writes(".csv", ".events.csv")
def write_tables(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
    """Two tables: one row per segment, and one row per event."""
    from hiprobe.report.documents import write_csv, write_events_csv

    segments, events = folder / f"{name}.csv", folder / f"{name}.events.csv"
    write_csv(result.timeline, segments, note=result.kind)
    write_events_csv(result.timeline, events, note=result.kind)
    return [segments, events]


@writes(".png")
def write_chart(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
    """The score curve as a picture."""
    from hiprobe.report.score_chart import plot_timeline

    path = folder / f"{name}.png"
    plot_timeline(
        result.timeline,
        path,
        truth_spans=result.truth_spans,
        cuts_seconds=result.cuts_seconds,
        title=name,
        note=" ".join(result.notes) or None,
    )
    return [path]


@writes(".annotated.mp4")
def write_annotated_video(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
    """The video with its scores and events drawn on it; nothing where there are no pictures."""
    if not result.has_pictures:
        return []
    from hiprobe.report.overlay import annotate_video

    path = folder / f"{name}.annotated.mp4"
    annotate_video(
        result.video,
        result.timeline,
        path,
        truth_spans=result.truth_spans,
        note=result.kind or None,
    )
    return [path]


@writes(".html")
def write_html_page(result: ScoredVideo, folder: Path, name: str) -> list[Path]:
    """One page with the chart, the events with pictures, and facts about probe and machine."""
    from hiprobe.report.html_page import PageVideo, write_page

    path, cuts = folder / f"{name}.html", result.cuts()
    video = PageVideo(
        name=name,
        timeline=result.timeline,
        truth_spans=result.truth_spans,
        thumbnails=_thumbnails(result),
        clips=_clips(result),
        recorded_at=_recorded_at(result),
        facts=result.facts,
        cuts_seconds=result.cuts_seconds,
        cuts=() if cuts is None else cuts.sentences(),
    )
    write_page(
        path,
        title=f"HiProbe: {name}",
        videos=[video],
        probe=result.probe,
        layers=result.layers,
        machine=_machine_facts(),
        notes=result.notes,
    )
    return [path]


def _thumbnails(result: ScoredVideo) -> dict[int, Sequence[Any]]:
    """Pictures of each event by its place in the timeline, read from the video again.

    Detection keeps none: it does not know what an event is before the last segment is smoothed.
    """
    if not result.has_pictures:
        return {}
    from hiprobe.video.clip import read_clip

    return {
        number: read_clip(
            result.video,
            key_frames=THUMBNAILS,
            start_seconds=event.start_seconds,
            end_seconds=event.end_seconds,
            max_side_pixels=480,
        ).frames
        for number, event in enumerate(result.timeline.events)
    }


def _clips(result: ScoredVideo) -> dict[int, bytes]:
    """MP4 files of the highest events, at most `MOST_CLIPS`, by their places in the timeline."""
    if not result.has_pictures:
        return {}
    from tempfile import TemporaryDirectory

    from hiprobe.report.html_page import clip_span
    from hiprobe.video.write import save_clip

    events = result.timeline.events
    highest = sorted(range(len(events)), key=lambda number: -events[number].peak)[:MOST_CLIPS]
    clips = {}
    with TemporaryDirectory(prefix="hiprobe-") as folder:
        for number in highest:
            start, end = clip_span(events[number])
            file = Path(folder) / f"{number}.mp4"
            save_clip(
                result.video,
                start_seconds=start,
                end_seconds=end,
                path=file,
                max_side_pixels=CLIP_SIDE_PIXELS,
                crf=CLIP_CRF,
            )
            clips[number] = file.read_bytes()
    return clips


def _recorded_at(result: ScoredVideo) -> datetime | None:
    if not result.has_pictures:
        return None
    from hiprobe.video.video_info import recorded_at

    return recorded_at(result.video)


def _machine_facts() -> dict[str, Any]:
    """The machine and the versions that the figures on speed belong to."""
    import os
    import platform

    from hiprobe import __version__

    return {
        "HiProbe": __version__,
        "Python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }


WRITERS.register("json", lambda: write_json_file)
WRITERS.register("csv", lambda: write_tables)
WRITERS.register("png", lambda: write_chart)
WRITERS.register("mp4", lambda: write_annotated_video)
WRITERS.register("html", lambda: write_html_page)

# HiProbe's own formats, in the order in which they are listed.
FORMATS = ("json", "csv", "png", "mp4", "html")
