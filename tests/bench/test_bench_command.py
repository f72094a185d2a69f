"""`hiprobe bench` and its parts, on a tiny model: what is measured, not how fast it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from click.testing import CliRunner, Result

from hiprobe.backbones.hf.random_model import OpenedModel, open_or_build
from hiprobe.bench import ways
from hiprobe.bench.bench_tables import tables_of
from hiprobe.bench.company import busy_processes, copies_of, measure_neighbour
from hiprobe.bench.end_to_end import STAGES, EndToEnd, measure_end_to_end
from hiprobe.bench.length import measure_length
from hiprobe.bench.run_bench import PARTS, BenchRequest
from hiprobe.bench.ways import (
    Fresh,
    first_segments,
    measure_extraction,
    measure_frames,
    still,
)
from hiprobe.cli import bench as command
from hiprobe.cli.app import app
from hiprobe.errors import UsageError, VideoError
from hiprobe.machine import NOTHING, Took
from hiprobe.pipeline.measured_rate import kept_rate, noise_segments, write_moving_video
from hiprobe.spec import BackboneSpec
from hiprobe.store.content_hash import content_hash
from hiprobe.video.decode import FrameReader
from hiprobe.video.join import write_looped


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def silent(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_moving_video(tmp_path_factory.mktemp("video") / "v.mp4", frames=24 * 9)


@pytest.fixture(scope="module")
def opened(tiny_model: Path) -> OpenedModel:
    return open_or_build(str(tiny_model))


def test_the_ways_are_timed_in_turn_and_their_states_compared(
    opened: OpenedModel, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = first_segments(video, 3)
    found = measure_extraction(opened, segments, turns=2, say=silent)
    names = [way.name for way in found.ways]
    assert names[0] == ways.TOGETHER
    assert set(names[-2:]) == {ways.GENERATE, ways.HOOKS}
    assert all(len(w.took) == 2 and min(t.seconds for t in w.took) > 0 for w in found.ways)
    assert found.difference is not None and found.difference < 1e-4
    shares = {way.name: way.share_of_floor for way in found.ways}
    assert shares.pop(ways.STILL) is None
    assert all(share is not None and 0 < share < 1 for share in shares.values())
    assert (found.is_random, found.dtype, found.backbone) == (False, opened.dtype, opened.name)
    monkeypatch.setattr(ways, "SLOW_SECONDS", 0.0)
    slow = measure_extraction(opened, segments, turns=5, say=silent)
    assert slow.way(ways.TOGETHER) is None
    assert {len(way.took) for way in slow.ways} == {2}


def test_a_model_gets_no_picture_twice() -> None:
    segments = noise_segments(2, seed=0, frame_pixels=(6, 8))
    fresh = Fresh(segments)
    given = [*segments, *(fresh() for _ in range(6))]
    seen = [frame.tobytes() for segment in given for frame in segment.frames]
    assert len(set(seen)) == len(seen)
    assert len({frame.tobytes() for frame in still(segments[0]).frames}) == 2


def test_frames_come_from_both_readers(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure_frames(video, segments=2)
    assert found.usual == "OpenCV" and min(found.seconds, found.usual_seconds) > 0

    class Blind:
        def __init__(self, _: str) -> None:
            pass

        def read(self) -> tuple[bool, None]:
            return False, None

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Blind)
    assert "OpenCV cannot read" in measure_frames(video, segments=2).usual


def test_every_stage_of_a_run_has_its_time(opened: OpenedModel, video: Path) -> None:
    found = measure_end_to_end(opened.backbone, video, name="tiny", command_name=None, say=silent)
    assert found.segments == 9 and found.video_seconds == pytest.approx(7.2)
    assert tuple(found.stages) == STAGES
    times = [*found.stages.values(), found.together]
    assert min(t.seconds for t in times[1:]) >= 0 and found.together.processor_seconds > 0
    assert min(found.stages[name].seconds for name in ("decoding", "vision", "writing")) > 0
    assert found.stages["opening"] == NOTHING  # not asked for


def test_ratios_of_a_run_follow_from_its_stages() -> None:
    times = (4.0, 1.0, 1.0, 5.0, 3.0, 0.0, 0.0)
    stages = {name: Took(t, t) for name, t in zip(STAGES, times, strict=True)}
    found = EndToEnd("b", 20.0, 25, 3, stages, Took(8.0, 8.0))
    assert (found.real_time_factor, found.share_of_slower, found.overlap) == (2.5, 1.0, 1.0)
    waiting = replace(found, together=Took(10.0, 8.0))
    assert (waiting.share_of_slower, waiting.overlap) == (0.8, 0.0)
    assert replace(found, together=Took(9.0, 9.0)).overlap == 0.5


def test_memory_is_that_of_a_process_of_its_own(video: Path) -> None:
    short, longer = measure_length(video, minutes=(0.1, 0.4), say=silent)
    assert (short.state_bytes, longer.state_bytes) == (9 * 576 * 4, 36 * 576 * 4)
    # this process holds torch and a model, which is several times as much
    assert 20e6 < short.peak_bytes < 0.7 * psutil.Process().memory_info().rss + 150e6
    assert longer.peak_bytes < short.peak_bytes + 40e6
    assert 20e6 < short.held_bytes <= short.peak_bytes


def test_a_looped_video_repeats_the_pictures(tmp_path: Path, video: Path) -> None:
    looped = write_looped(tmp_path / "l.mp4", video, seconds=20.0)
    frames = list(FrameReader(looped))
    assert len(frames) == 3 * 24 * 9
    distances = np.diff([frame.seconds for frame in frames])
    assert np.allclose(distances, 1 / 30, atol=2e-3)
    assert np.array_equal(frames[0].rgb(), frames[24 * 9].rgb())
    with pytest.raises(UsageError, match="more than 0"):
        write_looped(tmp_path / "l.mp4", video, seconds=0.0)
    with pytest.raises(VideoError):
        write_looped(tmp_path / "l.mp4", tmp_path / "none.mp4", seconds=1.0)


def test_busy_neighbours_end_with_the_block(opened: OpenedModel) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(KeyError), busy_processes(2):
        running = set(psutil.Process().children()) - before
        assert len(running) == 2
        raise KeyError
    assert not any(process.is_running() for process in running)
    found = measure_neighbour(
        opened.backbone,
        noise_segments(2, seed=0, frame_pixels=(48, 64)),
        layer=1,
        seconds=0.05,
        say=silent,
    )
    assert found.share == found.beside / found.alone > 0


def test_copies_have_the_same_pictures_and_other_content(tmp_path: Path, video: Path) -> None:
    copies = copies_of(video, tmp_path, 3)
    assert len({content_hash(path) for path in copies}) == 3
    pictures = {next(iter(FrameReader(path))).rgb().tobytes() for path in copies}
    assert len(pictures) == 1


def test_a_run_leaves_a_document_a_page_and_a_rate(
    tmp_path: Path, tiny_model: Path, video: Path
) -> None:
    words = ("--backbone", tiny_model, "--video", video, "--part", "extraction", "--quick")
    done = run("bench", *words, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert set(document["parts"]) == {"frames", "extraction"}
    assert document["command"].startswith(f"hiprobe bench --backbone {tiny_model.name} --video v")
    page = (tmp_path / "out" / "bench.html").read_text()
    for table in tables_of(document):
        assert table.title in page and table.title in done.stdout
    assert "hooks on all layers" in page and str(tmp_path) not in page
    assert "l\\*" not in page + done.stdout
    assert kept_rate(BackboneSpec(str(tiny_model))) is not None


def test_a_bar_shows_the_stages() -> None:
    from hiprobe.bench.bench_page import shares_drawing
    from hiprobe.report.theme import LIGHT, render_figure

    seconds = dict.fromkeys(STAGES, 1.0)
    drawn = [
        render_figure(shares_drawing(s), inches=(8.0, 1.9), theme=LIGHT, kind="svg")
        for s in (seconds, {**seconds, "vision": 9.0})
    ]
    assert drawn[0] != drawn[1]


def test_what_cannot_be_measured_is_refused(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    out = ("-o", tmp_path / "out")
    without = run("bench", "--gpu", *out)
    assert without.exit_code == 2 and "torch sees no GPU" in without.output
    mixed = run("bench", "--gpu", "--quick", *out)
    assert mixed.exit_code == 2 and "its own models" in mixed.output
    short = write_moving_video(tmp_path / "s.mp4", frames=50)
    done = run("bench", "--backbone", tiny_model, "--video", short, *out)
    assert done.exit_code == 3 and "gives 3 segments" in done.output
    assert not (tmp_path / "out" / "bench.json").exists()
    with pytest.raises(UsageError, match="parts of extraction"):
        BenchRequest(parts=("speed",))
    with pytest.raises(UsageError, match="above 0"):
        BenchRequest(turns=0)
    assert command.PARTS == PARTS


def test_workers_are_left_out_where_they_could_open_nothing(
    tmp_path: Path, opened: OpenedModel, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = replace(opened, is_random=True)
    monkeypatch.setattr("hiprobe.backbones.hf.random_model.open_or_build", lambda name: random)
    words = ("--backbone", "smolvlm2-256m", "--video", video, "--part", "workers")
    done = run("bench", *words, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "smolvlm2-256m is not: that part is left out" in done.stderr
    assert kept_rate(BackboneSpec("smolvlm2-256m")) is None
