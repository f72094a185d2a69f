"""Labels for annotation tools, read back by these tools' own libraries where they are installed."""

import json
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from results_folder import make_clip, write_result

from hiprobe.errors import UsageError, VideoError
from hiprobe.review.exports import LibraryExports
from hiprobe.review.library import Library
from hiprobe.video.video_info import video_info
from hiprobe.video.write import encoder_for

NAME = "cam.1 <ä> & co"
"""A dot, and what JSON, XML and addresses write in their own ways."""

NEEDED = (
    "{} is not installed: it asks for other versions than constraints.txt locks; it can be "
    "had in an environment of its own: pip install {}"
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Two seconds of 25 pictures, with two events, three labels and a doubt; one more video."""
    video, other = tmp_path / "in" / f"{NAME}.mp4", tmp_path / "in" / "other.mp4"
    make_clip(video)
    make_clip(other, frames=25)
    write_result(tmp_path / "r", (0.1, 0.9), name="a", video=str(video))
    write_result(tmp_path / "r", (0.7,), name="b", video=str(other))
    with Library.open([tmp_path / "r"]) as opened:
        one = next(v.id for v in opened.videos() if v.path == str(video))
        (event,) = opened.events(video=one).events
        opened.label(event_id=event.id, kind="class", class_name="<fall>", reviewer="ann")
        for start, end, kind, note in (
            (0.0, 0.4, "normal", "a \x07 dog"),
            (0.5, 0.501, "anomaly", ""),
            (0.6, 0.8, "unsure", ""),
        ):
            said: Any = {"kind": kind, "note": note, "reviewer": "bob"}
            opened.label(video_id=one, start_seconds=start, end_seconds=end, **said)
        yield opened


def unpacked(library: Library, name: str, folder: Path) -> Path:
    LibraryExports(library).write(name, folder / f"{name}.zip")
    with zipfile.ZipFile(folder / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return folder / name


FRAMES = {"<fall>": (25, 50), "normal": (0, 10), "anomaly": (12, 13)}
"""Half-open and from 0; the anomaly lies between two pictures, and gets one of them."""


def test_fiftyone_finds_videos_labels_and_events(library: Library, tmp_path: Path) -> None:
    folder = unpacked(library, "fiftyone", tmp_path)
    places = json.loads((folder / "data.json").read_text())
    assert all(Path(path).is_file() for path in places.values())
    labels = json.loads((folder / "labels.json").read_text())
    assert labels["classes"] == sorted(FRAMES)
    found = {one["label"]: tuple(one["support"]) for one in labels["labels"][NAME]}
    assert found == {name: (first + 1, end) for name, (first, end) in FRAMES.items()}
    events = json.loads((folder / "events.json").read_text())["labels"]
    assert [(e["support"], e["confidence"]) for e in events[NAME]] == [([26, 50], 0.9)]
    assert [e["support"] for e in events["other"]] == [[1, 25]]


def test_fiftyone_reads_it(library: Library, tmp_path: Path, monkeypatch: Any) -> None:
    reason = NEEDED.format("fiftyone", "fiftyone")
    monkeypatch.setenv("FIFTYONE_DATABASE_DIR", str(tmp_path / "db"))
    importers = pytest.importorskip("fiftyone.utils.data.importers", reason=reason)
    folder = unpacked(library, "fiftyone", tmp_path)

    def read(labels: str) -> dict[str, Any]:
        found = importers.FiftyOneTemporalDetectionDatasetImporter(
            dataset_dir=str(folder), data_path="data.json", labels_path=labels
        )
        found.setup()
        return {Path(path).name: label for path, _, label, _ in found}

    found, events = read("labels.json"), read("events.json")
    seen = {d.label: tuple(d.support) for d in found[f"{NAME}.mp4"].detections}
    assert seen == {name: (first + 1, end) for name, (first, end) in FRAMES.items()}
    assert found[f"{NAME}.mp4"].detections[0].reviewer == "ann"
    assert [d.confidence for d in events[f"{NAME}.mp4"].detections] == [0.9]


def test_cvat_gets_a_track_for_each_label(library: Library, tmp_path: Path) -> None:
    folder = unpacked(library, "cvat", tmp_path)
    (file,) = folder.glob("*.xml")
    root = ElementTree.parse(file).getroot()
    assert root.findtext("meta/task/size") == "50"
    assert root.findtext("meta/task/original_size/width") == "64"
    found = {}
    for track in root.findall("track"):
        boxes = [(box.get("frame"), box.get("outside"), box.get("ybr")) for box in track]
        found[track.get("label")] = boxes
    assert found["<fall>"] == [("25", "0", "48")]  # up to the last picture
    assert found["normal"] == [("0", "0", "48"), ("10", "1", "48")]
    assert [n["name"] for n in json.loads((folder / "labels.json").read_text())] == sorted(FRAMES)


def test_datumaro_reads_what_cvat_gets(library: Library, tmp_path: Path) -> None:
    reason = NEEDED.format("datumaro", "datumaro")
    datumaro = pytest.importorskip("datumaro", reason=reason)
    folder = unpacked(library, "cvat", tmp_path)
    (file,) = folder.glob("*.xml")
    found = datumaro.Dataset.import_from(str(file), "cvat")
    names = found.categories()[datumaro.AnnotationType.label]
    seen: dict[str, list[tuple[int, bool]]] = {}
    for item in found:
        for box in item.annotations:
            assert box.get_bbox() == [0, 0, 64, 48]
            frame = int(item.attributes["frame"])
            seen.setdefault(names[box.label].name, []).append((frame, box.attributes["outside"]))
    assert {name: sorted(boxes) for name, boxes in seen.items()} == {
        "<fall>": [(25, False)],
        "normal": [(0, False), (10, True)],
        "anomaly": [(12, False), (13, True)],
    }


def test_label_studio_gets_tasks_and_their_setup(library: Library, tmp_path: Path) -> None:
    folder = unpacked(library, "labelstudio", tmp_path)
    first, second = json.loads((folder / "tasks.json").read_text())
    place = first["data"]["video"].removeprefix("/data/local-files/?d=")
    assert Path("/", unquote(place)).is_file()
    assert first["data"]["fps"] == 25
    found = {
        one["value"]["timelinelabels"][0]: one["value"]["ranges"]
        for one in first["annotations"][0]["result"]
    }
    assert found["<fall>"] == [{"start": 26, "end": 50}]
    assert found["normal"] == [{"start": 1, "end": 10}]
    assert "annotations" not in second and second["predictions"][0]["score"] == 0.7
    setup = ElementTree.parse(folder / "labeling-config.xml").getroot()
    assert {label.get("value") for label in setup.iter("Label")} == set(FRAMES)


def test_label_studio_reads_it(library: Library, tmp_path: Path) -> None:
    reason = NEEDED.format("label-studio-sdk", "label-studio-sdk")
    sdk = pytest.importorskip("label_studio_sdk.label_interface", reason=reason)
    folder = unpacked(library, "labelstudio", tmp_path)
    setup = sdk.LabelInterface((folder / "labeling-config.xml").read_text())
    assert setup.is_valid
    for task in json.loads((folder / "tasks.json").read_text()):
        assert setup.validate_task({"data": task["data"]})  # it fails on annotations itself
        for one in task.get("annotations", []):
            assert setup.validate_annotation(one)
        for one in task.get("predictions", []):
            assert setup.validate_prediction(one, return_errors=True) == []
        one = {"result": [{**task["predictions"][0]["result"][0], "type": "other"}]}
        assert not setup.validate_prediction(one)


def test_frames_are_counted_by_their_own_times(tmp_path: Path) -> None:
    """The camera stalls: from 0.4 s on there are five pictures a second."""
    video = tmp_path / "stall.mp4"
    ticks = [4 * n for n in range(10)] + [40 + 20 * n for n in range(9)]
    base, rate = Fraction(1, 100), Fraction(25)
    with encoder_for(video, time_base=base, rate=rate, crf=23) as encoder:
        for tick, end in zip(ticks, [*ticks[1:], 220], strict=True):
            encoder.add(np.full((48, 64, 3), tick, np.uint8), pts=tick, duration=end - tick)
    write_result(tmp_path / "r", (0.1, 0.9), name="a", video=str(video))
    with Library.open([tmp_path / "r"]) as library:
        (event,) = library.events().events
        library.label(event_id=event.id, kind="anomaly", reviewer="ann")
        labels = json.loads((unpacked(library, "fiftyone", tmp_path) / "labels.json").read_text())
        tasks = json.loads((unpacked(library, "labelstudio", tmp_path) / "tasks.json").read_text())
    assert labels["labels"]["stall"][0]["support"] == [14, 18]
    # Label Studio shows 9 pictures a second here, and none behind the last.
    assert tasks[0]["data"]["fps"] == 9
    (region,) = tasks[0]["annotations"][0]["result"]
    assert region["value"]["ranges"] == [{"start": 10, "end": 18}]


@pytest.mark.parametrize("name", ["fiftyone", "cvat", "labelstudio", "clips"])
def test_a_video_that_cannot_be_read_is_left_out_and_named(
    library: Library, tmp_path: Path, name: str
) -> None:
    gone, states = tmp_path / "in" / "other.mp4", tmp_path / "in" / "b.safetensors"
    write_result(tmp_path / "more", (0.7,), name="c", video=str(states))
    with Library.open([tmp_path / "r", tmp_path / "more"]) as opened:
        for event in opened.events().events:
            opened.label(event_id=event.id, kind="anomaly", reviewer="ann")
        LibraryExports(opened).write(name, tmp_path / "all.zip")
        gone.write_bytes(b"no header of a video")
        failures = LibraryExports(opened).write(name, tmp_path / "some.zip")
    assert {failure.video for failure in failures} == {gone, states}
    assert all(str(failure.video) in failure.reason for failure in failures)
    every, some = (_texts(tmp_path / f"{n}.zip") for n in ("all", "some"))
    assert "other" in every and "other" not in some
    assert "cam.1" in some


def _texts(file: Path) -> str:
    """Names and texts of what is in an archive."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        texts = [archive.read(n).decode() for n in names if not n.endswith(".mp4")]
    return "\n".join([*names, *texts])


def test_without_pictures_or_labels_it_says_so(tmp_path: Path) -> None:
    for number, (video, told) in enumerate((("a.safetensors", "states"), ("a.mp4", "a.mp4"))):
        folder = tmp_path / str(number)
        write_result(folder, (0.1, 0.9), video=str(tmp_path / video))
        with Library.open([folder]) as library:
            for name in ("fiftyone", "labelstudio"):
                with pytest.raises((UsageError, VideoError), match=told):
                    LibraryExports(library).write(name, tmp_path / "out.zip")
            for name in ("cvat", "clips"):
                with pytest.raises(UsageError, match="label some events first"):
                    LibraryExports(library).write(name, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_activitynet_and_clips_hold_what_was_said(library: Library, tmp_path: Path) -> None:
    LibraryExports(library).write("activitynet", tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    found = document["database"][NAME]["annotations"]
    assert [(one["label"], one["segment"]) for one in found] == [
        ("<fall>", [1.0, 2.0]),
        ("anomaly", [0.5, 0.501]),
    ]
    assert document["database"]["other"]["annotations"] == []
    leaves = {n["nodeName"] for n in document["taxonomy"] if n["parentId"] == 0}
    assert leaves == {"<fall>", "anomaly"}
    folder = unpacked(library, "clips", tmp_path)
    lengths = {p.parent.name: video_info(p).frame_count_from_header for p in folder.rglob("*.mp4")}
    assert lengths == {"_fall_": 25, "normal": 10, "anomaly": 1}
