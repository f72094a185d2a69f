"""A video read in shards gives what it gives in one piece, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipeline_parts import AskedColour, ColourBackbone, Interrupting, write_video
from test_gaps_in_videos import write_holed
from test_growing_file import AtWork

from hiprobe.backbones.interface import Backbone
from hiprobe.errors import StatesError
from hiprobe.pipeline import ExtractionSettings, Stretch, extract_clip, extract_video, shards
from hiprobe.pipeline.reading import ReadUnit, Shard
from hiprobe.pipeline.shards import EndOfVideo, join_shards, read_shard, split
from hiprobe.pipeline.stream import extract_units
from hiprobe.pipeline.workers import CachePlace, UnitReader
from hiprobe.store.states_cache import StatesCache

SETTINGS = ExtractionSettings(layers=(1, 3), batch_segments=2, checkpoint_segments=4)


class BatchColour(ColourBackbone):
    """Its states tell which segment began their batch, as the last bits of real ones may."""

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        found = super().states(segments, layers=layers, readings=readings)
        return {r: v + np.float32(segments[0].index / 64) for r, v in found.items()}


def whole(video: Path) -> Path:
    return write_video(video.with_suffix(".mp4"), frames=24 * 33 + 7, bright=range(300, 420))


def damaged(video: Path) -> Path:
    """Pictures are missing in the middle, and the end of the file."""
    path = write_video(video.with_suffix(".mkv"), frames=24 * 33 + 7, bright=range(300, 420))
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 4000] = bytes(4000)
    path.write_bytes(content[: len(content) * 7 // 8])
    return path


def holed(video: Path) -> Path:
    return write_holed(video.with_suffix(".mkv"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 34 segments."""
    return whole(tmp_path_factory.mktemp("videos") / "v")


def unit_of(video: Path, settings: ExtractionSettings = SETTINGS, **changes: object) -> ReadUnit:
    unit = ReadUnit.of(
        video, settings=settings, layer_count=5, prompts=("what?",), want=("segments",)
    )
    return replace(unit, **changes)  # type: ignore[arg-type]


def in_shards(unit: ReadUnit, cache: StatesCache, *firsts: int) -> EndOfVideo | None:
    """Read the shards that begin at some segments, the last one first."""
    ends: list[EndOfVideo | None] = []
    for first, end in reversed(list(zip(firsts, [*firsts[1:], None], strict=True))):
        shard = replace(unit, shard=Shard(first, end))
        ends.append(read_shard(shard, backbone=BatchColour(), cache=cache, progress=None))
    seen = {end for end in ends if end is not None}
    assert len(seen) == 1
    return seen.pop()


def entries(cache: StatesCache) -> dict[str, bytes]:
    assert not any(entry.partial for entry in cache.entries())
    return {entry.path.name: entry.path.read_bytes() for entry in cache.entries()}


@pytest.mark.parametrize("made", [whole, damaged, holed])
def test_shards_give_what_one_reading_gives(made: Callable[[Path], Path], tmp_path: Path) -> None:
    """Also where shards lie beyond the end of the video."""
    settings = replace(SETTINGS, segment_frames=3) if made is holed else SETTINGS
    unit, other = unit_of(made(tmp_path / "v"), settings), StatesCache(tmp_path / "other")
    plain = extract_video(unit.video, backbone=BatchColour(), settings=settings, cache=other)
    for firsts in [(0, 16), (0, 4, 8, 28), (0, 32), (0, 24, 48, 80)]:
        cache = StatesCache(tmp_path / f"{firsts}")
        end = in_shards(unit, cache, *firsts)
        assert end is not None and end.segments == len(plain.states["last"])
        assert (end.outcome == "truncated") == (made is damaged) == (plain.outcome == "truncated")
        assert join_shards(unit, backbone=BatchColour(), cache=cache, end=end) is not None
        assert entries(cache) == entries(other)


def caches(folder: Path) -> tuple[StatesCache, StatesCache]:
    return StatesCache(folder / "cache"), StatesCache(folder / "other")


def test_a_stretch_the_clip_and_several_prompts(video: Path, tmp_path: Path) -> None:
    cache, other = caches(tmp_path)
    asked = unit_of(
        video,
        stretch=Stretch(3.1, 30.0),
        prompts=("one?", "two?"),
        want=("clip", "segments"),
    )
    *shards, clip = split(asked, count=2)
    assert [s.shard for s in shards] == [Shard(0, 12), Shard(12, None)] and clip.want == ("clip",)
    reader = UnitReader(AskedColour(), CachePlace.of(cache))
    outcomes = [reader.read(unit, lambda _: None) for unit in (clip, *shards)]
    assert [o.error for o in outcomes] == [None] * 3
    joined = join_shards(asked, backbone=AskedColour(), cache=cache, end=outcomes[-1].end)
    extract_units(
        asked.video,
        backbone=AskedColour(),
        prompts=asked.prompts,
        settings=SETTINGS,
        stretch=asked.stretch,
        cache=other,
    )
    assert joined is not None and list(joined[0]) == list(joined[1]) == ["one?", "two?"]
    assert entries(cache) == entries(other)


def test_pieces_behind_a_missing_one_are_used(video: Path, tmp_path: Path) -> None:
    """An interrupted run in shards is resumed by one process, and one process by shards."""
    cache, other = caches(tmp_path)
    unit = unit_of(video)
    with pytest.raises(KeyboardInterrupt):
        broken = Interrupting()
        broken.at = 10
        read_shard(replace(unit, shard=Shard(0, 16)), backbone=broken, cache=cache, progress=None)
    read_shard(replace(unit, shard=Shard(16, 24)), backbone=broken, cache=cache, progress=None)
    resumed = ColourBackbone()
    found = extract_video(unit.video, backbone=resumed, settings=SETTINGS, cache=cache)
    assert resumed.seen == [*range(10, 16), *range(24, 34)]
    plain = extract_video(unit.video, backbone=ColourBackbone(), settings=SETTINGS, cache=other)
    assert np.array_equal(found.states["last"].values, plain.states["last"].values)
    assert entries(cache) == entries(other)


def test_borders_within_pieces_of_an_earlier_run(video: Path, tmp_path: Path) -> None:
    cache, other = caches(tmp_path)
    unit, seen = unit_of(video), list[int]()
    broken = Interrupting()
    broken.at = 22
    with pytest.raises(KeyboardInterrupt):  # pieces begin at 0, 6, 12, 18
        often = replace(SETTINGS, checkpoint_segments=6)
        extract_video(unit.video, backbone=broken, settings=often, cache=cache)
    for shard in (Shard(16, None), Shard(8, 16), Shard(0, 8)):
        backbone = ColourBackbone(seen=seen)
        end = read_shard(replace(unit, shard=shard), backbone=backbone, cache=cache, progress=None)
        if shard.end is None:
            last = end
    assert seen == list(range(22, 34))
    assert join_shards(unit, backbone=backbone, cache=cache, end=last) is not None
    extract_video(unit.video, backbone=ColourBackbone(), settings=SETTINGS, cache=other)
    assert entries(cache) == entries(other)


def test_what_is_missing_or_damaged_is_not_joined_but_read_again(
    video: Path, tmp_path: Path
) -> None:
    cache, other = caches(tmp_path)
    unit = unit_of(video)
    end = in_shards(unit, cache, 0, 16)
    pieces = sorted((tmp_path / "cache").glob("*.parts/*.safetensors"))
    values = bytearray(pieces[2].read_bytes())
    values[-40:] = b"\xff" * 40  # its header is sound, and its states are no numbers
    pieces[2].write_bytes(values)
    assert join_shards(unit, backbone=ColourBackbone(), cache=cache, end=end) is None
    pieces[2].unlink()
    assert join_shards(unit, backbone=ColourBackbone(), cache=cache, end=end) is None
    assert join_shards(unit, backbone=ColourBackbone(), cache=cache, end=None) is None
    again = BatchColour()
    extract_video(unit.video, backbone=again, settings=SETTINGS, cache=cache)
    assert again.seen == [8, 9, 10, 11]
    extract_video(unit.video, backbone=BatchColour(), settings=SETTINGS, cache=other)
    assert entries(cache) == entries(other)


def test_pieces_come_back_from_another_machine(video: Path, tmp_path: Path) -> None:
    here, other = caches(tmp_path)
    unit = unit_of(video)
    there = UnitReader(BatchColour(), CachePlace(here.folder, "another machine"))
    for shard in (Shard(0, 20), Shard(20, None)):
        outcome = there.read(replace(unit, shard=shard), lambda _: None)
        assert outcome.error is None and len(outcome.files) in (4, 5)
        for name, content in outcome.files.items():
            (here.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (here.folder / name).write_bytes(content)
    joined = join_shards(unit, backbone=BatchColour(), cache=here, end=outcome.end)
    assert joined is not None
    extract_video(unit.video, backbone=BatchColour(), settings=SETTINGS, cache=other)
    assert entries(here) == entries(other)


def test_a_shard_that_cannot_be_kept_is_given_up(video: Path, tmp_path: Path) -> None:
    """A file that goes on being written: the rest of the shard is not read in vain."""
    growing = tmp_path / "v.mp4"
    growing.write_bytes(video.read_bytes())
    reader = AtWork(task=lambda: growing.write_bytes(video.read_bytes() + bytes(8)))
    shard = unit_of(growing, shard=Shard(8, None))
    with pytest.raises(StatesError, match=r"v\.mp4: the states of a part of it cannot be kept"):
        read_shard(shard, backbone=reader, cache=StatesCache(tmp_path / "c"), progress=None)
    assert reader.seen == [8, 9, 10, 11]


def test_two_files_of_one_content(video: Path, tmp_path: Path) -> None:
    """Their pieces lie in one folder; it does not stay behind."""
    cache, _ = caches(tmp_path)
    unit = unit_of(video)
    end = in_shards(unit, cache, 0, 16)
    assert join_shards(unit, backbone=BatchColour(), cache=cache, end=end) is not None
    cache.parts(next(iter(entries(cache))).split("-")[0], layers=(1, 3), readings=("last",)).write(
        16, extract_video(video, backbone=BatchColour(), settings=SETTINGS).states, video="copy"
    )
    assert any(entry.partial for entry in cache.entries())
    assert join_shards(unit, backbone=BatchColour(), cache=cache, end=end) is not None
    assert entries(cache) and not list(cache.folder.glob("*.parts"))


def test_a_video_that_is_done_is_not_read_again(video: Path, tmp_path: Path) -> None:
    cache, _ = caches(tmp_path)
    unit, backbone = unit_of(video), ColourBackbone()
    extract_video(unit.video, backbone=ColourBackbone(), settings=SETTINGS, cache=cache)
    shard = replace(unit, shard=Shard(16, None))
    assert read_shard(shard, backbone=backbone, cache=cache, progress=None) is None
    assert not backbone.seen
    joined = join_shards(unit, backbone=backbone, cache=cache, end=None)
    assert joined is not None and len(joined[1]["what?"].states["last"]) == 34


@pytest.mark.parametrize(
    ("changes", "firsts"),
    [
        ({}, [0, 12, 24]),
        ({"batch_segments": 3, "checkpoint_segments": 2}, [0, 18]),
        ({"batch_segments": 5}, []),
        ({"hop_frames": 12}, []),
        ({"skip_still": True}, []),
        ({"segment_seconds": 2.0}, [0, 8]),
    ],
)
def test_borders_are_those_of_batches_and_pieces(
    changes: dict[str, int], firsts: list[int], video: Path
) -> None:
    shards = split(unit_of(video, replace(SETTINGS, **changes)), count=3)
    assert [s.shard.first for s in shards if s.shard] == firsts
    ends = [s.shard.end for s in shards if s.shard]
    assert ends == ([*firsts[1:], None] if firsts else [])


def test_what_cannot_be_split_is_left_to_its_reader(video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 99)
    assert split(unit_of(broken), count=4) == split(unit_of(tmp_path / "absent"), count=4) == ()
    assert split(unit_of(video, want=("clip",)), count=4) == ()


def test_the_whole_clip_beside_kept_segments(video: Path, tmp_path: Path) -> None:
    """Pictures of segments that are kept are not converted, but the clip's key frames are."""
    cache, _ = caches(tmp_path)
    unit = unit_of(video)
    in_shards(unit, cache, 0, 16)
    backbone: Backbone = ColourBackbone()
    clips, segments = extract_units(
        unit.video, backbone=backbone, prompts=("what?",), settings=SETTINGS, cache=cache
    )
    assert isinstance(backbone, ColourBackbone) and backbone.seen == [0]
    clip = extract_clip(unit.video, backbone=ColourBackbone(), settings=SETTINGS)
    assert np.array_equal(clips["what?"].clip["last"].values, clip.clip["last"].values)
    assert len(segments["what?"].states["last"]) == 34


class ReadByAnother(ColourBackbone):
    """While it reads its first batch, another worker reads the whole video."""

    def __init__(self, unit: ReadUnit, cache: StatesCache) -> None:
        super().__init__()
        self.unit, self.cache = unit, cache

    def states(self, segments, *, layers, readings=("last",)):  # type: ignore[no-untyped-def]
        extract_units(
            self.unit.video,
            backbone=ColourBackbone(),
            prompts=self.unit.prompts,
            want=("segments",),
            settings=self.unit.settings,
            cache=self.cache,
        )
        return super().states(segments, layers=layers, readings=readings)


def test_pieces_of_a_video_that_is_done_meanwhile_go(video: Path, tmp_path: Path) -> None:
    cache, unit = StatesCache(tmp_path), unit_of(video)
    backbone = ReadByAnother(unit, cache)
    read_shard(replace(unit, shard=Shard(8, 16)), backbone=backbone, cache=cache, progress=None)
    assert len(entries(cache)) == 1


def test_what_cannot_be_opened_is_not_split(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the thread of a crew any error would end the run of all files."""

    def fails(*_: object) -> None:
        raise RuntimeError("a decoder said something new")

    assert split(unit_of(video), count=2)
    monkeypatch.setattr(shards, "estimated_count", fails)
    assert split(unit_of(video), count=2) == ()
