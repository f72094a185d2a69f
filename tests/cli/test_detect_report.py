"""What detect tells: a quiet video in a line, several in a table, remarks where they help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.cli.detect_report import DetectReport, speed
from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline import DetectResult
from hiprobe.states import States
from hiprobe.timeline import Event, Explanation, Timeline


def timeline(*, length: float = 1.0, event: bool = False, failed: bool = False) -> Timeline:
    starts = np.arange(4) * length
    scores = np.array([0.1, 0.9 if event else 0.2, 0.1, 0.1])
    scores[:] = np.nan if failed else scores
    events = (Event(length, 2 * length, 1, 2, 0.9, 0.9, 1.5 * length),) if event else ()
    return Timeline(starts, starts + length, scores, scores, 0.5, 0.4, events)


def result(scored: Timeline, *, factor: float | None = 2.0, known: int = 0) -> DetectResult:
    n = len(scored)
    states = States(
        values=np.zeros((n, 1, 3), np.float32),
        layers=(1,),
        start_seconds=scored.start_seconds,
        end_seconds=scored.end_seconds,
        reading="last",
        fingerprint=Fingerprint("m", "w", "float32", "p"),
        layer_count=1,
        failed=np.zeros(n, bool),
    )
    return DetectResult(scored, states, 2.0, factor, known, "end")


def test_a_quiet_video_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    calm = timeline()
    DetectReport(quiet=True).video(Path("a/b/calm.mp4"), calm, result(calm))
    told = capsys.readouterr()
    assert told.out == (
        "calm.mp4: no event in 4 segments; whole video read; highest score 0.200, threshold 0.500\n"
    )
    assert not told.err


def test_without_any_score_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lost = timeline(failed=True)
    report = DetectReport(quiet=True)
    report.video(Path("lost.mp4"), lost, result(lost))
    assert "no segment has a score" in capsys.readouterr().out
    assert report.rows[0][-1] == "-"


def test_a_quiet_video_that_was_explained_has_no_empty_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    calm = timeline()
    told = Explanation(kind="summary", start_seconds=0.0, end_seconds=4.0, prompt="?", text="Calm.",
                       outcome="text")  # fmt: skip
    calm = replace(calm, explanations=(told,))
    DetectReport(quiet=True).video(Path("calm.mp4"), calm, result(calm))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("calm.mp4: no event in 4 segments")
    assert any("Calm." in line for line in lines) and not any("peak" in line for line in lines)


def test_several_videos_end_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    report = DetectReport(quiet=True)
    calm, wild = timeline(), timeline(event=True)
    report.video(Path("calm.mp4"), calm, result(calm))
    capsys.readouterr()
    report.all()
    assert not capsys.readouterr().out, "one video needs no table"
    report.video(Path("wild.mp4"), wild, result(wild))
    assert "Events in wild.mp4" in capsys.readouterr().out
    report.all()
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split() for line in lines] == [
        ["calm.mp4", "4.0", "s", "0", "0.0", "0.200"],
        ["wild.mp4", "4.0", "s", "1", "1.0", "0.900"],
    ]


def test_remarks_on_speed_and_long_segments(capsys: pytest.CaptureFixture[str]) -> None:
    slow = timeline(length=2.4)
    DetectReport(quiet=False).video(Path("slow.mp4"), slow, result(slow, known=3))
    told = capsys.readouterr().err
    assert "took 2.0 s (2.0x playback speed) for the rest; 3 segments were already analysed" in told
    assert "a segment lasts 2.4 s here" in told and "--segment-seconds" in told
    assert speed(result(slow, factor=None)) == "already analysed in an earlier run; reused"
    DetectReport(quiet=False).video(Path("x.mp4"), timeline(), result(timeline()))
    assert "--segment-seconds" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "told", "not_told"),
    [
        (None, "24 frames last so long", "asks for"),
        (2.4, "as --segment-seconds 2.4 asks for", "frame rate"),
        (0.5, "not 0.5 s as asked for, since its frames lie so far apart", "cuts finer"),
    ],
)
def test_a_long_segment_has_its_own_reason(
    asked: float | None, told: str, not_told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = timeline(length=2.4)
    DetectReport(False, asked).video(Path("slow.mp4"), slow, result(slow))
    found = capsys.readouterr().err
    assert "a segment lasts 2.4 s here" in found and told in found and not_told not in found


def test_files_of_one_video_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    DetectReport(quiet=False).written([Path("out/a.json"), Path("out/a.csv")])
    assert capsys.readouterr().err == "wrote out/a.json, a.csv\n"
