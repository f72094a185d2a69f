"""A folder of states: one file a video, a manifest over all rows, and reading it back."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from pipeline_parts import ColourBackbone, write_video

from hiprobe.datasets.clips import read_clips
from hiprobe.errors import StatesError, VideoError
from hiprobe.pipeline import ExtractionSettings, extract_clip, extract_video
from hiprobe.pipeline.states_folder import Item, extract_to_file
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.store.states_table import MANIFEST_NAME, read_layer, write_states_manifest
from hiprobe.video.segments import read_segments

SETTINGS = ExtractionSettings(layers=(0, 2, 5), readings=("last", "visual_mean"))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A video whose timestamps do not begin at 0, in steps of 1/12800 s."""
    source = write_video(tmp_path / "source.mp4", frames=24 * 3 + 7)
    target = tmp_path / "videos" / "late.mp4"
    target.parent.mkdir()
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                shift = 5000
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = stream
                written.mux(packet)
    return target


def extract(video: Path, out: Path, **more: object) -> bool:
    settings = replace(SETTINGS, **more)  # type: ignore[arg-type]
    item = Item(video, "cam/late")
    return extract_to_file(item, out, backbone=ColourBackbone(), settings=settings)


def test_the_manifest_lists_every_row_with_times_and_timestamps(
    video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "states"
    assert extract(video, out)
    table = pq.read_table(write_states_manifest(out))
    rows = table.to_pylist()
    assert len(rows) == 2 * (4 + 1)
    segments = [r for r in rows if r["unit"] == "segments" and r["reading"] == "last"]
    read = list(read_segments(video))
    assert [(r["start_pts"], r["end_pts"]) for r in segments] == [
        (s.start_pts, s.end_pts) for s in read
    ]
    assert segments[0]["start_pts"] != 0 and segments[0]["start_seconds"] == 0
    assert [(r["start_seconds"], r["end_seconds"]) for r in segments] == [
        (s.start_seconds, s.end_seconds) for s in read
    ]
    assert [r["segment"] for r in segments] == [0, 1, 2, 3]
    one = segments[0]
    assert (one["video"], one["layers"], one["file"]) == (
        video.as_posix(), [0, 2, 5], "cam/late.safetensors",
    )  # fmt: skip
    assert one["sha256"] == StatesCache(tmp_path / "none").content_hash(video)
    about = json.loads(table.schema.metadata[b"hiprobe"])
    assert about["fingerprints"][one["fingerprint"]] == ColourBackbone().fingerprint.to_json()


def test_reading_back_gives_the_states(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "states"
    extract(video, out)
    write_states_manifest(out)
    direct = extract_video(video, backbone=ColourBackbone(), settings=SETTINGS)
    rows, values = read_layer(out, 5, reading="visual_mean")
    np.testing.assert_array_equal(values, direct.states["visual_mean"].layer(5))
    assert [r["segment"] for r in rows] == [0, 1, 2, 3]
    whole = extract_clip(video, backbone=ColourBackbone(), settings=SETTINGS)
    clip_rows, clip_values = read_layer(out, 2, unit="clip")
    np.testing.assert_array_equal(clip_values, whole.clip["last"].layer(2))
    assert [r["segment"] for r in clip_rows] == [None]
    with pytest.raises(StatesError, match="not 3"):
        read_layer(out, 3)
    with pytest.raises(StatesError, match="no segments read at prompt_mean"):
        read_layer(out, 5, reading="prompt_mean")


def test_the_one_layer_of_a_vision_reading_is_read_back(video: Path, tmp_path: Path) -> None:
    settings = ExtractionSettings(layers=[2, 5], readings=("last", "vision_mean"))
    extract_to_file(Item(video, "v"), tmp_path, backbone=ColourBackbone(), settings=settings)
    write_states_manifest(tmp_path)
    rows, values = read_layer(tmp_path, 1, reading="vision_mean")
    assert len(rows) == 4 and values.shape == (4, 3)
    assert all(row["layers"] == [1] for row in rows)
    assert read_layer(tmp_path, 5)[1].shape == (4, 7)
    with pytest.raises(StatesError, match="layers"):
        read_layer(tmp_path, 2, reading="vision_mean")


def test_a_file_that_is_there_is_made_again_only_where_something_changed(
    video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "states"
    assert extract(video, out) and not extract(video, out)
    for change in ({"layers": (1,)}, {"segment_seconds": 0.5}, {"key_frames": 4}):
        assert extract(video, out, **change) and not extract(video, out, **change)
    target = out / "cam" / "late.safetensors"
    made = read_states(target).provenance
    assert made is not None and (made.cut.segment_seconds, made.cut.key_frames) == (None, 4)
    target.write_bytes(target.read_bytes()[:200])
    assert extract(video, out)
    video.write_bytes(write_video(tmp_path / "other.mp4", frames=30).read_bytes())
    assert extract(video, out)
    item = Item(video, "cam/late")
    asked = ColourBackbone(prompt="who?")
    assert extract_to_file(item, out, backbone=asked, settings=SETTINGS)


def test_the_stretch_and_label_of_a_clip_are_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "day.mp4", frames=24 * 6)
    (tmp_path / "t.csv").write_text(
        "video,label,source,start_seconds,end_seconds\nday.mp4,fight,cam1,2,4\n"
    )
    (clip,) = read_clips(tmp_path / "t.csv", both_kinds=False)
    out = tmp_path / "states"
    extract_to_file(Item(clip.video, "x", clip), out, backbone=ColourBackbone())
    write_states_manifest(out)
    rows, values = read_layer(out, 1)
    assert [r["start_seconds"] for r in rows] == [2.0, 3.0] and values.shape == (2, 7)
    assert {(r["label"], r["class"], r["source"]) for r in rows} == {(1, "fight", "cam1")}


def test_a_video_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    with pytest.raises(VideoError):
        extract_to_file(Item(bad, "bad"), tmp_path / "states", backbone=ColourBackbone())
    assert not (tmp_path / "states").exists()


def test_a_folder_without_a_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(StatesError, match="hiprobe extract"):
        read_layer(tmp_path, 1)


def test_states_of_two_prompts_are_kept_apart(video: Path, tmp_path: Path) -> None:
    for prompt in ("what?", "who?"):
        item, backbone = Item(video, prompt.strip("?")), ColourBackbone(prompt=prompt)
        extract_to_file(item, tmp_path / "s", backbone=backbone)
    assert write_states_manifest(tmp_path / "s").name == MANIFEST_NAME
    with pytest.raises(StatesError, match="several backbones or prompts"):
        read_layer(tmp_path / "s", 1)
