"""`hiprobe zero-label`, with a small backbone that answers by brightness, and with the lite one."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe.baselines.asked import METHODS
from hiprobe.cli.app import app
from hiprobe.cli.zero_label import METHOD_NAMES
from hiprobe.spec import BackboneSpec

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["zero-label", *(str(a) for a in arguments)])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone that answers in place of a fetched one."""
    backbone = answering.Answerer(answers=("Nothing.", "0.9"))
    monkeypatch.setattr(BackboneSpec, "open", lambda spec, **_: backbone)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return answering.write_video(tmp_path / "v.mp4", [20, 30, 220, 230, 40])


def test_the_help_names_every_method() -> None:
    assert METHOD_NAMES == METHODS


@pytest.mark.usefixtures("answers")
def test_first_token_leaves_what_detect_leaves(video: Path, tmp_path: Path) -> None:
    result = run(video, "-o", tmp_path / "out", "--format", "json,csv,html")
    assert result.exit_code == 0, result.output
    assert "1 event in 5 segments" in result.stdout
    assert "Yes and No together make up 0.500" in result.stderr
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    assert (document["probe"]["method"], document["probe"]["labels"]) == ("first-token", "none")
    assert [e["first_segment"] for e in document["events"]] == [2]
    assert "without labels" in (tmp_path / "out" / "v.html").read_text()
    assert json.loads((tmp_path / "out" / "hiprobe-run.json").read_text())["results"]


@pytest.mark.usefixtures("answers")
def test_answers_without_a_number_are_counted(video: Path, tmp_path: Path) -> None:
    result = run(video, "--method", "decoded", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "3 of 5 answers held no number" in result.stderr
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    assert document["probe"]["unanswered_segments"] == document["failed_segments"] == 3


@pytest.mark.usefixtures("answers")
def test_heads_say_that_they_use_labels(video: Path, tmp_path: Path) -> None:
    for number in range(4):
        answering.write_video(tmp_path / "clips" / "normal" / f"{number}.mp4", [20 + number])
        answering.write_video(tmp_path / "clips" / "abnormal" / f"{number}.mp4", [200 + number])
    result = run(
        video, "--method", "heads", "--choose-on", tmp_path / "clips", "-o", tmp_path / "out"
    )
    assert result.exit_code == 0, result.output
    assert "heads, chosen on 8 labelled clips: layer 2 head 1" in result.stderr
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    assert document["probe"]["labels"] == "heads chosen on labelled clips"
    scores = [segment["score"] for segment in document["segments"]]
    assert max(range(5), key=lambda i: scores[i]) in (2, 3)


@pytest.mark.parametrize("wrong", [("--method", "heads"), ("--choose-on", "clips")])
def test_clips_go_with_heads_only(video: Path, wrong: tuple[str, ...]) -> None:
    result = run(video, *wrong)
    assert result.exit_code == 2 and "--choose-on goes with --method heads" in result.output


@pytest.mark.usefixtures("answers")
def test_graded_questions_here_and_from_detect_are_the_same(video: Path, tmp_path: Path) -> None:
    here = run(video, "--questions", "ordinal", "-o", tmp_path / "here", "-q")
    line = ["detect", "--zero-label", str(video), "-o", str(tmp_path / "there"), "-q"]
    there = CliRunner().invoke(app, line)
    assert (here.exit_code, there.exit_code) == (0, 0), there.output
    documents = [json.loads((tmp_path / f / "v.json").read_text()) for f in ("here", "there")]
    assert documents[0]["probe"]["method"] == "ordinal"
    assert documents[0]["segments"] == documents[1]["segments"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["detect", "--zero-label", "v.mp4", "--explain"], "need a probe"),
        (["detect", "my-probe"], "no video is given"),
        (["zero-label", "v.mp4", "--method", "decoded", "--questions", "ordinal"], "goes with"),
        (["zero-label", "v.mp4", "--method", "heads", "--questions", "pair"], "goes with"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and words in " ".join(result.output.split())


@pytest.mark.usefixtures("answers")
def test_a_bad_file_does_not_stop_the_others(video: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    result = run(bad, video, "-o", tmp_path / "out", "-q")
    assert result.exit_code == 3 and "bad.mp4" in result.stderr
    assert (tmp_path / "out" / "v.json").exists()


@pytest.mark.lite
def test_the_lite_backbone_answers(lite_folder: Path, video: Path, tmp_path: Path) -> None:
    result = run(video, "--backbone", lite_folder, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    assert all(0 <= s["score"] <= 1 for s in document["segments"])
    assert 0 < document["probe"]["probability_of_yes_and_no"] < 1
