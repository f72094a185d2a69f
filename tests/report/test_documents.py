import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from hiprobe.errors import UsageError
from hiprobe.report.documents import (
    read_timeline,
    timeline_document,
    write_csv,
    write_events_csv,
    write_json,
)
from hiprobe.report.words import RENDERED_NOTE
from hiprobe.timeline import Timeline

PROBE = {"fingerprint": "0123456789abcdef", "layer": 20, "mode": "clip", "model": "lite"}


def write(timeline: Timeline, path, **settings):
    write_json(timeline_document(timeline, video="a.mp4", probe=PROBE, **settings), path)
    return json.loads(path.read_text())


def read_rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def assert_same(first: Timeline, second: Timeline) -> None:
    for name in ("start_seconds", "end_seconds", "scores", "smoothed"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("threshold", "sigma_segments", "events", "ended", "explanations"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize("name", ["timeline", "quiet", "empty"])
def test_round_trip_keeps_everything(name, request, tmp_path):
    timeline = request.getfixturevalue(name)
    write(timeline, tmp_path / "a.json")
    assert_same(read_timeline(tmp_path / "a.json"), timeline)


def test_document_names_times_scores_and_probe(timeline, tmp_path):
    document = write(timeline, tmp_path / "a.json", truth_spans=[(6.5, 8.5)], notes=[RENDERED_NOTE])
    assert (document["format"], document["version"]) == ("hiprobe-timeline", 2)
    assert document["probe"] == PROBE
    assert document["truth_spans"] == [[6.5, 8.5]]
    assert document["notes"][0] == RENDERED_NOTE and len(document["notes"]) == 2
    assert document["segments"][2] == {
        "segment": 2,
        "start_seconds": 2.0,
        "end_seconds": 3.0,
        "score": 0.9,
        "smoothed": 0.85,
        "event": 1,
        "reused": 0,
    }


def test_failed_segment_is_null_not_a_number(timeline, tmp_path):
    document = write(timeline, tmp_path / "a.json")
    assert document["failed_segments"] == 1
    assert document["segments"][5]["score"] is None
    assert document["segments"][5]["smoothed"] is None
    assert "NaN" not in (tmp_path / "a.json").read_text()


def test_truth_not_known_differs_from_truth_empty(quiet, tmp_path):
    assert write(quiet, tmp_path / "a.json")["truth_spans"] is None
    assert write(quiet, tmp_path / "b.json", truth_spans=[])["truth_spans"] == []


def test_numpy_scalars_of_events_are_written(timeline, tmp_path):
    event = replace(timeline.events[0], peak=np.float64(0.9), first_segment=np.int64(2))
    document = write(replace(timeline, events=(event,)), tmp_path / "a.json")
    assert document["events"][0]["first_segment"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 3}, "version 3"),
        ({"format": "other"}, "not a hiprobe-timeline"),
        ({"segments": [{}]}, "damaged"),
        ({"events": [{"start_seconds": 1}]}, "damaged"),
        ({"ended": "maybe"}, "damaged"),
    ],
)
def test_foreign_or_damaged_file_is_refused(timeline, tmp_path, change, words):
    path = tmp_path / "a.json"
    document = timeline_document(timeline, video="a.mp4", probe=PROBE)
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(UsageError, match=words):
        read_timeline(path)


def test_half_a_file_is_refused(timeline, tmp_path):
    write(timeline, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text[: len(text) // 2])
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        read_timeline(tmp_path / "a.json")


def test_value_that_is_no_json_leaves_no_file(quiet, tmp_path):
    document = timeline_document(quiet, video="a.mp4", probe={"layer": float("nan")})
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        write_json(document, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("span", [(3.0, 3.0), (4.0, 2.0), (0.0, float("inf"))])
def test_truth_that_is_no_stretch_is_refused(quiet, span):
    with pytest.raises(UsageError, match="truth span"):
        timeline_document(quiet, video="a.mp4", probe=PROBE, truth_spans=[span])


def test_infinite_threshold_is_refused(quiet):
    endless = replace(quiet, threshold=float("inf"))
    with pytest.raises(UsageError, match="not finite"):
        timeline_document(endless, video="a.mp4", probe=PROBE)


def test_csv_leaves_a_failed_segment_empty(timeline, tmp_path):
    write_csv(timeline, tmp_path / "a.csv")
    rows = read_rows(tmp_path / "a.csv")
    assert len(rows) == 10
    assert rows[5]["score"] == rows[5]["smoothed"] == ""
    assert [row["event"] for row in rows] == ["", "", "1", "1", "1", *[""] * 5]
    assert float(rows[3]["smoothed"]) == 0.9


def test_every_row_says_what_the_video_is(timeline, tmp_path):
    write_csv(timeline, tmp_path / "a.csv", note="rendered scenes")
    write_events_csv(timeline, tmp_path / "b.csv", note="rendered scenes")
    for name in ("a.csv", "b.csv"):
        assert {row["note"] for row in read_rows(tmp_path / name)} == {"rendered scenes"}
    write_csv(timeline, tmp_path / "a.csv")
    assert {row["note"] for row in read_rows(tmp_path / "a.csv")} == {""}


def test_cuts_are_kept_as_given(timeline, tmp_path):
    assert write(timeline, tmp_path / "a.json")["cuts"] is None
    assert write(timeline, tmp_path / "a.json", cuts={"straddling": 3})["cuts"] == {"straddling": 3}


def test_events_csv(timeline, quiet, tmp_path):
    write_events_csv(timeline, tmp_path / "a.csv")
    write_events_csv(quiet, tmp_path / "b.csv")
    (row,) = read_rows(tmp_path / "a.csv")
    assert (row["start_seconds"], row["end_seconds"], row["peak"]) == ("2.0", "5.0", "0.9")
    assert read_rows(tmp_path / "b.csv") == []
