"""`fit --labels`: what a review says joins the labelled clips, from states and from videos."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from results_folder import make_clip, write_result
from review_case import FIGHT, NORMAL, ReviewCase, make_case, states

from hiprobe.cli.app import app
from hiprobe.probe import Probe
from hiprobe.review.library import Library
from hiprobe.review.store import STORE_NAME
from hiprobe.states import VideoStates
from hiprobe.store.states_file import read_states, write_states


def fit(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["fit", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def label_stretch(
    case: ReviewCase, video: str, start: float, end: float, kind: str = "normal", name: str = ""
) -> None:
    with Library.open([case.results]) as library:
        (found,) = [v.id for v in library.videos() if v.name.startswith(video)]
        said = {"class_name": name or None, "kind": kind, "reviewer": "ann"}
        library.label(video_id=found, start_seconds=start, end_seconds=end, **said)  # type: ignore[arg-type]


def write_clips(folder: Path) -> Path:
    """States of four normal clips and of four fights, in folders of these names."""
    rng = np.random.default_rng(3)
    for number in range(4):
        for kind, name in ((NORMAL, "normal"), (FIGHT, "fight")):
            clip = VideoStates(states={"last": states([kind] * 3, rng)})
            write_states(folder / name / f"{number}.safetensors", clip)
    return folder


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReviewCase:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    return make_case(tmp_path)


def test_labels_join_the_clips_and_teach(tmp_path: Path, case: ReviewCase) -> None:
    clips, out = write_clips(tmp_path / "clips"), tmp_path / "out"
    label_stretch(case, "yard", 3, 6, "anomaly")
    label_stretch(case, "yard", 3, 6.2)  # the last word on it
    label_stretch(case, "yard", 8, 9, "unsure")
    label_stretch(case, "kitchen", 4, 7, "class", "fight")
    label_stretch(case, "kitchen", 0.6, 0.9, "class", "Normal walking")  # within one segment
    said = fit(clips, "--labels", case.results, "-o", out).output
    assert "taken from the review: 3 stretches with labels" in said
    probe = Probe.load(out)
    new = [(e.name, e.label, e.class_name) for e in probe.examples()[8:]]
    assert new == [
        ("yard.safetensors [3, 6 s)", 0, "normal"),
        ("kitchen.safetensors [4, 7 s)", 1, "fight"),
        ("kitchen.safetensors [0, 1 s)", 0, "Normal walking"),
    ]
    assert len(set(probe.sources_[8:])) == 2  # one for each video
    # Dogs were taken for fights; now those of the other video are not, either.
    plain = Probe().fit(probe.examples()[:8])
    kitchen = read_states(tmp_path / "videos" / "kitchen.safetensors").states["last"]
    before, after = (p.score(kitchen)[11:14].max() for p in (plain, probe))
    assert after < probe.threshold_ and after < before


def test_states_give_the_vector_of_a_whole_video_and_means_of_stretches(
    tmp_path: Path, case: ReviewCase
) -> None:
    clips, rng = tmp_path / "clips", np.random.default_rng(3)
    for number in range(4):
        for kind, name in ((NORMAL, "normal"), (FIGHT, "fight")):
            parts, whole = ({"last": states([kind] * n, rng)} for n in (3, 1))
            write_states(clips / name / f"{number}.safetensors", VideoStates(parts, clip=whole))
    yard, kitchen = (tmp_path / "videos" / f"{name}.safetensors" for name in ("yard", "kitchen"))
    vector = states([NORMAL], rng)
    write_states(yard, VideoStates(read_states(yard).states, clip={"last": vector}))
    label_stretch(case, "yard", 0, 11)
    label_stretch(case, "kitchen", 4, 7, "anomaly")
    said = fit(clips, "--labels", case.results, "--mode", "clip", "-o", tmp_path / "out").output
    assert "have segments only, as stretches of extracted states do: 1;" in " ".join(said.split())
    probe = Probe.load(tmp_path / "out")
    assert probe.mode_ == "clip"
    whole, stretch = probe.examples()[8:]
    assert whole.name == "yard.safetensors" and whole.clip is not None
    np.testing.assert_array_equal(whole.clip.values, vector.values)
    mean = read_states(kitchen).states["last"].values[4:7].mean(axis=0)
    assert stretch.clip is not None
    np.testing.assert_allclose(stretch.clip.values[0], mean, rtol=1e-6)


def test_labels_alone_and_those_that_extend_a_probe(tmp_path: Path, case: ReviewCase) -> None:
    store = case.results / STORE_NAME
    fit("--labels", case.results, "-o", tmp_path / "out", code=2)
    for start, kind in ((0, "normal"), (8, "normal"), (4, "anomaly")):
        label_stretch(case, "kitchen", start, start + 2, kind)
    label_stretch(case, "yard", 0, 2)
    label_stretch(case, "yard", 3, 5, "anomaly")
    fit("--labels", store, "-o", tmp_path / "out")
    assert len(Probe.load(tmp_path / "out").names_) == 5
    fit("--labels", store, "--add", case.probe, "-o", tmp_path / "more")
    assert len(Probe.load(tmp_path / "more").names_) == 12 + 5
    assert "0 clips added; 5 were in" in fit("--labels", store, "--add", tmp_path / "more").output
    assert len(Probe.load(tmp_path / "more").names_) == 12 + 5  # each counts once


def test_clips_of_a_reviewed_file(tmp_path: Path, case: ReviewCase) -> None:
    table, yard = tmp_path / "clips.csv", tmp_path / "videos" / "yard.safetensors"
    clips = write_clips(tmp_path / "clips")
    others = [f"{p},{p.parent.name},," for p in sorted(clips.rglob("*.safetensors"))]
    rows = ["video,label,start_seconds,end_seconds", f"{yard},normal,0,3", *others]
    table.write_text("\n".join(rows))
    label_stretch(case, "yard", 0, 3)
    label_stretch(case, "yard", 8, 10)
    fit(table, "--labels", case.results, "-o", tmp_path / "out")
    probe = Probe.load(tmp_path / "out")
    assert len(probe.names_) == 10  # the stretch that is in the table counts once
    assert probe.sources_[0] == probe.sources_[-1] == str(yard)
    label_stretch(case, "yard", 1, 3, "anomaly")
    refused = fit(table, "--labels", case.results, "-o", tmp_path / "out", code=4).output
    assert "under two labels" in " ".join(refused.split())


def test_what_cannot_be_taken_is_told(tmp_path: Path, case: ReviewCase) -> None:
    clips = write_clips(tmp_path / "clips")
    empty = fit(clips, "--labels", case.results, code=2).output
    assert "holds no labels" in empty
    label_stretch(case, "yard", 0, 3, "unsure")
    assert "nothing is labelled" in fit(clips, "--labels", case.results, code=2).output
    assert "give labelled clips" in fit(code=2).output
    label_stretch(case, "kitchen", 0, 3)
    one_kind = fit("--labels", case.results, code=4).output
    assert "all clips and labels are normal" in one_kind
    yard = tmp_path / "videos" / "yard.safetensors"
    label_stretch(case, "yard", 4, 6)
    write_states(yard, VideoStates(states={"last": states([NORMAL] * 9, np.random.default_rng(0))}))
    said = fit(clips, "--labels", case.results, "-o", tmp_path / "out", code=3).output
    assert "its content has changed" in " ".join(said.split())
    assert not any("yard" in name for name in Probe.load(tmp_path / "out").names_)


def test_stretches_of_videos_are_read_by_the_model(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    video, results = make_clip(tmp_path / "in" / "yard.mp4"), tmp_path / "results"
    for kind, frames in (("normal", 20), ("normal", 30), ("odd", 24), ("odd", 26)):
        make_clip(tmp_path / "clips" / kind / f"{frames}.mp4", frames=frames)
    write_result(results, (0.1, 0.9), name="yard", video=str(video))
    with Library.open([results]) as library:
        (event,) = library.events().events
        library.label(event_id=event.id, kind="anomaly", reviewer="ann")
    words = ("--backbone", tiny_model, "--labels", results, "-o", tmp_path / "out", "-q")
    fit(tmp_path / "clips", *words)
    last = Probe.load(tmp_path / "out").examples()[-1]
    assert (last.name, last.label, last.class_name) == ("yard.mp4 [1, 2 s)", 1, "anomaly")
    assert last.clip is not None and last.segments is not None
    assert last.segments.start_seconds[0] >= 1
