"""The committee that `fit` makes unless told otherwise, by real passes of a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from test_prompts_and_extract import write_clip

from hiprobe.cli.app import app
from hiprobe.cli.fit_report import (
    HOURS_FOR_A_RATE,
    alarms_an_hour,
    normal_hours,
    wilson_interval,
)
from hiprobe.cli.options import COMMITTEE_NAMES
from hiprobe.joined import COMMITTEE_READINGS, layers_of
from hiprobe.probe import Probe
from hiprobe.probe.fit_results import ThresholdSummary


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def good(result: Result) -> Result:
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(4):
        for label, level in (("normal", 40 + number), ("bright", 190 + number)):
            write_clip(folder / label / f"{number}.mp4", level=level)
    return folder


@pytest.fixture(scope="module")
def probe(clips: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committee on the clips."""
    folder = tmp_path_factory.mktemp("probe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIPROBE_CACHE", str(folder / "cache"))
        result = good(run("fit", clips, "-o", folder / "p", "--backbone", tiny_model))
    (folder / "said.txt").write_text(result.stdout)
    return folder / "p"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))


def test_fit_says_what_is_read_and_how_both_recipes_do(probe: Path) -> None:
    said = (probe.parent / "said.txt").read_text()
    assert all(reading in said for reading in COMMITTEE_READINGS)
    assert "cross-validated AUC" in said and "the paper's recipe on the same clips: AUC" in said
    assert "the folds were drawn 10 times" in said
    found = Probe.load(probe)
    assert {m.reading for m in found.members} == set(COMMITTEE_READINGS)
    assert found.mode_ == "clip"


def test_detect_decodes_no_more_often_than_for_one_layer(
    probe: Path, clips: Path, tiny_model: Path, tmp_path: Path, decodings: list[Path]
) -> None:
    video = write_clip(tmp_path / "v.mp4", level=200)
    one = ("--recipe", "paper", "--backbone", tiny_model)
    good(run("fit", clips, "-o", tmp_path / "one", *one))
    counts = []
    for folder, out in ((tmp_path / "one", "of-one"), (probe, "out")):
        before = decodings.count(video)
        good(run("detect", folder, video, "-o", tmp_path / out, "--format", "json"))
        counts.append(decodings.count(video) - before)
    assert counts[0] == counts[1] > 0
    document = json.loads((tmp_path / "out" / "v.json").read_text())
    assert document["probe"]["recipe"] == "committee"
    assert all(0 <= s["score"] <= 1 for s in document["segments"])


def test_states_that_were_extracted_score_as_the_video_does(probe: Path, tmp_path: Path) -> None:
    video = write_clip(tmp_path / "v.mp4", level=120)
    readings = ("--reading", "committee")
    backbone = Probe.load(probe).backbone_spec().name
    good(run("extract", video, "-o", tmp_path / "s", "--backbone", backbone, *readings))
    for what, out in ((video, "a"), (tmp_path / "s" / "v.safetensors", "b")):
        good(run("detect", probe, what, "-o", tmp_path / out, "--format", "json"))
    found = [json.loads((tmp_path / o / "v.json").read_text())["segments"] for o in ("a", "b")]
    assert [s["score"] for s in found[0]] == [s["score"] for s in found[1]]


def test_it_is_extended_and_shown(probe: Path, tmp_path: Path) -> None:
    for label, level in (("normal", 60), ("bright", 170)):
        write_clip(tmp_path / "more" / label / "9.mp4", level=level)
    good(run("fit", tmp_path / "more", "--add", probe, "-o", tmp_path / "p2"))
    assert len(Probe.load(tmp_path / "p2").names_) == 10
    shown = good(run("info", tmp_path / "p2")).stdout
    assert "committee" in shown and "vision_change_mean" in shown and "joined" not in shown


def test_one_layer_is_fitted_where_an_option_chooses_or_states_hold_no_more(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    typed = ("--layer", "last", "--backbone", tiny_model)
    good(run("fit", clips, "-o", tmp_path / "typed", *typed))
    good(run("extract", clips, "-o", tmp_path / "s", "--backbone", tiny_model))
    few = good(run("fit", tmp_path / "s", "-o", tmp_path / "few"))
    said = " ".join(few.stderr.split())
    assert "extracted without visual_mean, prompt_mean, vision_change_mean" in said
    for name in ("typed", "few"):
        assert Probe.load(tmp_path / name).facts()["recipe"] != "committee"
    asked = run("fit", tmp_path / "s", "-o", tmp_path / "asked", "--recipe", "committee")
    assert asked.exit_code != 0 and "visual_mean" in asked.stderr
    deep = run("fit", tmp_path / "s", "-o", tmp_path / "deep", "--layers-up-to", "2")
    assert deep.exit_code != 0 and "visual_mean" in deep.stderr


def test_the_names_of_readings_stand_for_those_of_a_committee() -> None:
    assert COMMITTEE_NAMES == COMMITTEE_READINGS


def test_it_reads_no_deeper_than_told(clips: Path, tiny_model: Path, tmp_path: Path) -> None:
    options = ("--recipe", "committee", "--layers-up-to", "1", "--backbone", tiny_model)
    good(run("fit", clips, "-o", tmp_path / "p", *options))
    assert {m.layer for m in Probe.load(tmp_path / "p").members} == {1}


def test_it_reads_no_deeper_in_states_on_disk(
    clips: Path, tiny_model: Path, tmp_path: Path
) -> None:
    readings = ("--reading", "committee")
    good(run("extract", clips, "-o", tmp_path / "s", "--backbone", tiny_model, *readings))
    depth = ("--recipe", "committee", "--layers-up-to", "1")
    good(run("fit", tmp_path / "s", "-o", tmp_path / "p", *depth))
    assert {m.layer for m in Probe.load(tmp_path / "p").members} == {1}
    deep = ("--layers", "2,3")
    good(run("extract", clips, "-o", tmp_path / "d", "--backbone", tiny_model, *readings, *deep))
    refused = run("fit", tmp_path / "d", "-o", tmp_path / "q", *depth)
    assert refused.exit_code == 2 and "holds no layer up to 1, only (2, 3)" in refused.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--recipe", "committee", "--layer", "3"), "--layer chooses one of several"),
        (("--recipe", "committee", "--scorer", "svm"), "--scorer chooses one of several"),
        (("--recipe", "paper", "--layers-up-to", "3"), "goes with --recipe committee"),
    ],
)
def test_what_means_nothing_for_a_recipe_is_refused(
    clips: Path, options: tuple[str, ...], words: str
) -> None:
    result = run("fit", clips, *options)
    assert result.exit_code == 2 and words in result.output


def test_what_a_change_does_to_its_scores_is_compared(probe: Path, clips: Path) -> None:
    spec, video = Probe.load(probe).backbone_spec(), clips / "normal" / "0.mp4"
    # Which format is the usual one is a matter of the processor.
    other = "float32" if spec.dtype == "bfloat16" else "bfloat16"
    words = ("compare", spec.name, video, "--probe", probe, "--dtype", other, "--json")
    found = json.loads(good(run("backbones", *words)).stdout)["scores"]
    assert found["layers"] == list(layers_of(Probe.load(probe).members))
    assert 0 < found["largest_change"] < 0.5


def test_the_interval_of_a_share_is_wilsons() -> None:
    low, high = wilson_interval(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson_interval(0, 3)[0] == 0 and wilson_interval(3, 3)[1] == 1


def _summary(*, flagged: int) -> ThresholdSummary:
    return ThresholdSummary(0.5, "cross_validated", "cross_validated", 3, 4, flagged, 40)


def test_false_alarms_an_hour_have_garwoods_interval() -> None:
    # the exact interval of a count of two is 0.242 to 7.225
    words = alarms_an_hour(_summary(flagged=2), 2.0)
    assert "at least 1.00 an hour" in words and "0.12 to 3.61" in words
    assert "interval 0.00 to 1.84" in alarms_an_hour(_summary(flagged=0), 2.0)


def test_short_clips_give_no_rate(probe: Path) -> None:
    hours = normal_hours(Probe.load(probe))
    assert 0 < hours < HOURS_FOR_A_RATE
    assert "too short to say" in alarms_an_hour(_summary(flagged=2), hours)
