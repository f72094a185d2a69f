"""The options that commands share reach them as one value; what an interrupt says."""

from __future__ import annotations

import warnings
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hiprobe.cli import options
from hiprobe.cli.app import Commands
from hiprobe.cli.process import plain_warnings
from hiprobe.cli.session_options import SessionOptions
from hiprobe.errors import UsageError
from hiprobe.prompts import PRESETS
from hiprobe.segment import Cut
from hiprobe.spec import BackboneSpec


def command(seen: list[SessionOptions], *, stop: bool = False) -> click.Group:
    @click.command()
    @options.how_to_read()
    def read(how: SessionOptions) -> None:
        """Reads."""
        seen.append(how)
        if stop:
            raise KeyboardInterrupt

    group = Commands("hiprobe")
    group.add_command(read)
    return group


def test_one_value_holds_how_videos_are_read() -> None:
    seen: list[SessionOptions] = []
    words = (
        "--backbone",
        "b",
        "--prompt",
        "motion",
        "--segment-seconds",
        "0.5",
        "--hop-seconds",
        "0.25",
        "--no-cache",
        "-q",
    )
    result = CliRunner().invoke(command(seen), ["read", *words])
    assert result.exit_code == 0, result.output
    (how,) = seen
    assert how.backbone == BackboneSpec("b", prompt=PRESETS["motion"])
    assert (how.segment_seconds, how.hop_seconds, how.segment_frames) == (0.5, 0.25, None)
    assert (how.cached, how.quiet) == (False, True)


def test_lengths_that_were_asked_for_are_laid_over_those_of_a_probe() -> None:
    own = Cut(segment_seconds=2.0, hop_seconds=0.5)
    assert SessionOptions().cut_of(own) == own
    assert SessionOptions(hop_seconds=2.0).cut_of(own) == Cut(segment_seconds=2.0)
    by_frames = SessionOptions(segment_frames=48).cut_of(own)
    assert by_frames == Cut(segment_frames=48, hop_seconds=0.5)
    assert SessionOptions(hop_seconds=0.2).cut_of(Cut(hop_frames=8)) == Cut(hop_seconds=0.2)
    with pytest.raises(UsageError, match="or less"):
        SessionOptions(segment_seconds=0.4).cut_of(own)


def test_two_lengths_of_a_segment_are_refused() -> None:
    words = ("--segment-frames", "24", "--segment-seconds", "1")
    result = CliRunner().invoke(command([]), ["read", *words])
    assert result.exit_code == 2 and "are two lengths of a segment; give one" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what was read is kept: run the same command again to resume"),
        (("--no-cache",), "with --no-cache nothing was kept"),
    ],
)
def test_ctrl_c_says_what_is_left(words: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(command([], stop=True), ["read", *words])
    assert result.exit_code == 130 and said in result.stderr


def test_our_warnings_are_one_line_and_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    ours = str(Path(options.__file__))
    with pytest.warns(UserWarning) as caught, plain_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit("it is late", UserWarning, ours, 3)
        warnings.warn_explicit("not ours", UserWarning, "/elsewhere/x.py", 7)
    assert capsys.readouterr().err == "warning: it is late\n"
    assert [str(w.message) for w in caught] == ["not ours"]
