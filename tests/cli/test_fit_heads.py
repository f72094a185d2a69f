"""`hiprobe fit --scorer heads`, and `detect` with what it wrote."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hiprobe.cli.app import app
from hiprobe.spec import BackboneSpec

sys.path.append(str(Path(__file__).parents[1] / "zero_label"))
import answering


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """A backbone in place of a fetched one; where it was cut each time it was opened."""
    seen: list[int | None] = []

    def opened(spec: BackboneSpec, **_: object) -> answering.Answerer:
        seen.append(spec.cut_at_layer)
        return answering.Answerer()

    monkeypatch.setattr(BackboneSpec, "open", opened)
    return seen


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for number in range(4):
        answering.write_video(tmp_path / "clips" / "normal" / f"{number}.mp4", [20 + number])
        answering.write_video(tmp_path / "clips" / "abnormal" / f"{number}.mp4", [200 + number])
    return tmp_path / "clips"


def test_a_probe_on_heads_is_fitted_shown_and_detects(
    cuts: list[int | None], clips: Path, tmp_path: Path
) -> None:
    fitted = run("fit", clips, "--scorer", "heads", "-o", tmp_path / "probe")
    assert fitted.exit_code == 0, fitted.output
    assert "attention heads, best first, as layer.number: 2.1," in fitted.stdout
    assert "heads chosen inside each)" in fitted.stdout
    shown = run("info", tmp_path / "probe")
    assert "2.1" in shown.stdout
    video = answering.write_video(tmp_path / "v.mp4", [20, 30, 220, 230, 40])
    cuts.clear()
    done = run("detect", tmp_path / "probe", video, "-o", tmp_path / "out", "--explain")
    assert done.exit_code == 0, done.output
    heads = json.loads((tmp_path / "probe" / "probe.json").read_text())["fingerprint"]["settings"]
    deepest = max(int(part.split(".")[0]) for part in heads["heads"].split(","))
    assert cuts == [deepest, None]
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    scores = [segment["score"] for segment in document["segments"]]
    assert max(range(5), key=lambda i: scores[i]) in (2, 3)
    assert document["events"]
    assert document["probe"]["heads"] == heads["heads"]
    assert document["explanations"]


def test_clips_cannot_be_added_to_it(cuts: list[int | None], clips: Path, tmp_path: Path) -> None:
    fitted = run("fit", clips, "--scorer", "heads", "-o", tmp_path / "probe")
    assert fitted.exit_code == 0, fitted.output
    cuts.clear()
    added = run("fit", clips, "--add", tmp_path / "probe")
    assert added.exit_code == 2
    assert "fit on all clips together" in added.output
    assert not cuts, "it is refused before a backbone is opened"


@pytest.mark.usefixtures("cuts")
def test_the_papers_rivals_can_be_named(clips: Path, tmp_path: Path) -> None:
    done = run("fit", clips, "--scorer", "mahalanobis", "-o", tmp_path / "probe")
    assert done.exit_code == 0, done.output
    document = json.loads((tmp_path / "probe" / "probe.json").read_text())
    assert document["settings"]["scorer"] == "mahalanobis"
    added = run("fit", clips, "--add", tmp_path / "probe", "--scorer", "svm")
    assert added.exit_code == 2
    assert "leave out --scorer" in added.output


@pytest.mark.parametrize(
    "typed", [("--layer", "2"), ("--mode", "clip"), ("--reading", "last"), ("--prompt", "motion")]
)
def test_what_is_said_of_hidden_states_is_refused(clips: Path, typed: tuple[str, str]) -> None:
    done = run("fit", clips, "--scorer", "heads", *typed)
    assert done.exit_code == 2
    assert f"leave out {typed[0]}" in done.output
