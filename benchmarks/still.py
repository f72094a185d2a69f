"""Measures --skip-still: forward passes, time, ROC-AUC and events with it and without.

    python benchmarks/still.py join DATA OUT [--still-minutes 12] [--only yard|walkway]
    hiprobe fit DATA/car_crash/manifest.csv -o OUT/crash --recipe committee
    hiprobe fit OUT/walkway.csv -o OUT/walkway --recipe committee
    python benchmarks/still.py measure OUT/yard.mp4 OUT/crash
    python benchmarks/still.py measure OUT/walkway.mp4 OUT/walkway

`join` makes two videos, most of both still, and writes their truth beside them:

- yard: an empty entrance seen from above (its real pictures to and fro), between it people who
  pass, a fight, an explosion, a fire and a road accident;
- walkway: the background of UCSD Ped2 (the median of its training pictures), between it two of its
  test videos. `walkway.csv` names the others, for the probe.

A camera's noise of 2 grey levels lies on all that is still, and both are encoded anew.
`measure` reads a video twice and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.backbones.interface import Backbone
from hiprobe.evaluation.metrics.ranking import roc_auc
from hiprobe.pipeline.detection import detect_video
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.segment import Frame
from hiprobe.timeline import Timeline
from hiprobe.video.decode import FrameReader
from hiprobe.video.join import JoinPart, join_clips
from hiprobe.video.write import write_video

FPS = 10
NOISE = 2.0
TESTED = ("test_02", "test_04")
"""Videos of Ped2 that are joined; the probe is fitted on the others."""


def noisy(pictures: Sequence[Frame], *, seconds: float) -> Iterator[Frame]:
    """Pictures to and fro, with the noise of a camera."""
    rng, shape = np.random.default_rng(0), pictures[0].shape
    grains = [rng.normal(0, NOISE, shape).astype(np.float32) for _ in range(8)]
    way = [*pictures, *pictures[-2:0:-1]]
    for number in range(round(seconds * FPS)):
        grain = np.roll(grains[rng.integers(8)], tuple(rng.integers(0, shape[:2])), axis=(0, 1))
        noisy = way[number % len(way)] + grain + 0.5
        yield np.clip(noisy, 0, 255).astype(np.uint8)


def join_yard(data: Path, out: Path, *, still_minutes: float) -> None:
    """Write the first video and its truth."""
    clips = data / "clips"
    entrance = clips / "normal_one_by_one_person.mp4"
    empty = [f.rgb() for f in FrameReader(entrance, end_seconds=4.4)]
    happens = [
        [JoinPart(entrance, 0, "entrance", "people", 4.8, 15.0)],
        [JoinPart(clips / "Fighting033_x264_570_841.mp4", 1, "fight", "fight")],
        [JoinPart(clips / "v=JfLYNEsrTew__#1_label_G-0-0_52_431.mp4", 1, "bang", "explosion")],
        [JoinPart(clips / "fire_house6.mp4", 1, "fire", "fire", 0.0, 12.0)],
        [JoinPart(clips / "RoadAccidents133_x264_270_451.mp4", 1, "road", "accident")],
    ]
    _join(out, "yard", happens, empty, still_minutes, width=480, height=270)


def join_walkway(data: Path, out: Path, *, still_minutes: float) -> None:
    """Write the second video, its truth, and the table for its probe."""
    ped2 = data / "ucsd_ped2"
    train = sorted((ped2 / "train").glob("*.mp4"))
    pictures = np.stack([f.rgb() for video in train for f in list(FrameReader(video))[::30]])
    background = np.median(pictures, axis=0).astype(np.uint8)
    with (ped2 / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    walkers = [_walk(ped2, row) for row in rows if Path(row["video"]).stem in TESTED]
    _join(out, "walkway", walkers, [background, background], still_minutes, width=360, height=240)
    with (out / "walkway.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("video", "label", "source"))
        others = [row for row in rows if Path(row["video"]).stem not in TESTED]
        writer.writerows((ped2 / row["video"], row["label"], row["source"]) for row in others)


def _walk(folder: Path, row: dict[str, str]) -> list[JoinPart]:
    """A test video: what comes before the first abnormal frame, and the rest with it."""
    first = int(row["spans"].partition("-")[0]) / FPS
    video, name = folder / row["video"], Path(row["video"]).stem
    before = [JoinPart(video, 0, name, f"{name} before", 0.0, first)] if first else []
    return [*before, JoinPart(video, 1, name, name, first, None)]


def _join(
    out: Path,
    name: str,
    happens: Sequence[Sequence[JoinPart]],
    empty: Sequence[Frame],
    still_minutes: float,
    *,
    width: int,
    height: int,
) -> None:
    still = out / f"{name}-still.mp4"
    each = 60 * still_minutes / (len(happens) + 1)
    write_video(still, noisy(empty, seconds=each), fps=FPS, crf=10)
    nothing = JoinPart(still, 0, "still", "still")
    parts = [nothing, *(p for one in happens for p in (*one, nothing))]
    path = out / f"{name}.mp4"
    made = join_clips(parts, path, width=width, height=height, fps=FPS, crf=23)
    truth = {
        "seconds": made.duration_seconds,
        "parts": [[p.part.name, p.part.label, p.start_seconds, p.end_seconds] for p in made.parts],
    }
    path.with_suffix(".json").write_text(json.dumps(truth, indent=1))


class Counted:
    """A backbone that counts the segments it is given, and the pictures among them that differ."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.passes, self.pictures = 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def states(self, segments: Any, **given: Any) -> Any:
        """As the backbone's own."""
        self.passes += len(segments)
        self.pictures += len({id(frame) for segment in segments for frame in segment.frames})
        return self._backbone.states(segments, **given)


def measure(video: Path, folder: Path) -> dict[str, Any]:
    """What is read of a video with --skip-still and without, and what comes of it."""
    probe = Probe.load(folder)
    truth = json.loads(video.with_suffix(".json").read_text())
    backbone = probe.backbone_spec().open()
    own = ExtractionSettings.like(probe.provenance_)
    timelines, found = {}, {"video": video.name, "probe": folder.name, **_still_share(truth)}
    for name, settings in (("full", own), ("skipped", replace(own, skip_still=True))):
        counted, began = Counted(backbone), (time.perf_counter(), time.process_time())
        result = detect_video(video, probe=probe, backbone=counted, settings=settings)  # type: ignore[arg-type]
        timelines[name] = result.timeline
        found[name] = {
            "passes": counted.passes,
            "pictures": counted.pictures,
            "seconds": round(time.perf_counter() - began[0], 1),
            "cpu_seconds": round(time.process_time() - began[1], 1),
            **_quality(result.timeline, truth["parts"]),
        }
    full, skipped = timelines["full"], timelines["skipped"]
    found["fewer_passes"] = round(found["full"]["passes"] / found["skipped"]["passes"], 1)
    found["auc_lost"] = round(found["full"]["auc"] - found["skipped"]["auc"], 4)
    found["largest_change_of_score"] = round(float(np.abs(full.scores - skipped.scores).max()), 3)
    found["events_lost"] = sorted(set(found["full"]["found"]) - set(found["skipped"]["found"]))
    return found


def _still_share(truth: dict[str, Any]) -> dict[str, float]:
    still = sum(end - start for name, _, start, end in truth["parts"] if name == "still")
    return {"minutes": round(truth["seconds"] / 60, 1), "still": round(still / truth["seconds"], 3)}


def _quality(timeline: Timeline, parts: Sequence[Any]) -> dict[str, Any]:
    """ROC-AUC over segments, by where their middles lie, and which abnormal parts have an event."""
    middles = (timeline.start_seconds + timeline.end_seconds) / 2
    abnormal = [(name, start, end) for name, label, start, end in parts if label]
    labels = np.any([(start <= middles) & (middles < end) for _, start, end in abnormal], axis=0)
    hit = [
        name
        for name, start, end in abnormal
        if any(e.start_seconds < end and start < e.end_seconds for e in timeline.events)
    ]
    return {
        "auc": round(roc_auc(timeline.scores, labels), 4),
        "auc_smoothed": round(roc_auc(timeline.smoothed, labels), 4),
        "found": hit,
        "events": len(timeline.events),
    }


def main() -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = parser.add_subparsers(dest="step", required=True)
    joining = steps.add_parser("join")
    joining.add_argument("data", type=Path)
    joining.add_argument("out", type=Path)
    joining.add_argument("--still-minutes", type=float, default=12)
    joining.add_argument("--only", choices=("yard", "walkway"))
    measuring = steps.add_parser("measure")
    measuring.add_argument("video", type=Path)
    measuring.add_argument("probe", type=Path)
    given = parser.parse_args()
    if given.step == "join":
        given.out.mkdir(parents=True, exist_ok=True)
        for join in (join_yard, join_walkway):
            if given.only in (None, join.__name__.removeprefix("join_")):
                join(given.data, given.out, still_minutes=given.still_minutes)
    else:
        print(json.dumps(measure(given.video, given.probe)))


if __name__ == "__main__":
    main()
