"""A refit on labels: what it changes, and that nothing is lost."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from review_case import (
    BEST_LAYER,
    DOG,
    FIGHT,
    LAYERS,
    NORMAL,
    WIDTH,
    ReviewCase,
    make_case,
    states,
)

from hiprobe.errors import ProbeFolderError, UsageError
from hiprobe.names import text_path
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.probe import Probe
from hiprobe.progress import ProgressEvent
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.review.lessons import standing
from hiprobe.review.library import Library
from hiprobe.review.proposals import Candidate, compared_vectors
from hiprobe.review.teach import Teacher
from hiprobe.review.values import KeptEvent, UnknownIdError
from hiprobe.segment import WHOLE
from hiprobe.settings import states_folder
from hiprobe.states import VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states, write_states
from hiprobe.timeline import SmoothingKind


@pytest.fixture
def case(tmp_path: Path) -> ReviewCase:
    return make_case(tmp_path)


@pytest.fixture
def library(case: ReviewCase) -> Iterator[Library]:
    with Library.open([case.results], probe=case.probe) as opened:
        yield opened


def dog_in(library: Library, video: str) -> KeptEvent:
    """The false alarm of a video: the dog comes at 11 s in the kitchen, at 3 s in the yard."""
    start = {"kitchen": 11.0, "yard": 3.0}[video]
    events = library.events().events
    named = {v.id: v.name for v in library.videos()}
    return next(
        e
        for e in events
        if named[e.video_id].startswith(video)
        and e.start_seconds < start + 3
        and e.end_seconds > start
    )


def test_a_false_alarm_that_is_labelled_vanishes_elsewhere_too(
    case: ReviewCase, library: Library
) -> None:
    seen: list[ProgressEvent] = []
    dog, other = dog_in(library, "yard"), dog_in(library, "kitchen")
    library.label(event_id=dog.id, kind="normal", reviewer="ann")
    teacher = Teacher(library)
    refit = teacher.refit(seen.append)
    assert {e.id for e in refit.vanishing} >= {dog.id, other.id}
    assert (refit.before.label_count, refit.after.label_count) == (0, 1)
    assert refit.alarms_before is None
    assert seen[-1].done == seen[-1].total
    assert library.event(dog.id) in library.events().events  # nothing is kept yet
    before = Probe.load(case.probe).threshold_
    made = teacher.accept(refit.id, "ann")
    assert (made.number, made.label_count, made.reason) == (2, 1, "1 label")
    assert other.id not in {e.id for e in library.events().events}
    assert teacher.gain()[-1] == (1, made.cv_auc)
    assert Probe.load(case.probe).threshold_ != before
    with Library.open([case.results]) as again:  # scored anew from the kept states
        assert again.events(sort="time").events == library.events(sort="time").events
    teacher.restore(1, "ann")
    assert other.id in {e.id for e in library.events().events}
    assert [v.number for v in teacher.versions()] == [1, 2, 3]


def test_a_label_that_is_taken_back_teaches_nothing(library: Library) -> None:
    teacher = Teacher(library)
    label = library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
    first = teacher.refit()
    teacher.accept(first.id, "ann")
    library.unlabel(label.id)
    again = teacher.refit()
    assert again.after.label_count == 0
    assert again.after.cv_auc == first.before.cv_auc
    base, probe = library.probe_in_use().versions.base(), teacher._find(again.id).probe
    assert probe.names_ == base.names_


def test_answers_to_a_refit_that_is_gone_or_late(library: Library) -> None:
    teacher = Teacher(library)
    with pytest.raises(UsageError, match="nothing is labelled"):
        teacher.refit()
    library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
    thrown, late = teacher.refit(), teacher.refit()
    teacher.discard(thrown.id)
    with pytest.raises(UnknownIdError, match="refit again"):
        teacher.accept(thrown.id, "ann")
    library.set_threshold(None, 0.7, "bob")
    with pytest.raises(ProbeFolderError, match="version 2 by now"):
        teacher.accept(late.id, "ann")


def test_a_threshold_set_by_hand_stays_as_strict(library: Library) -> None:
    library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
    library.set_threshold(None, 0.9, "ann")
    kappa = library.probe_in_use().probe.kappa
    teacher = Teacher(library)
    teacher.accept(teacher.refit().id, "ann")
    assert library.probe_in_use().probe.kappa == kappa


def test_what_detect_was_told_outlives_a_refit(case: ReviewCase) -> None:
    """A threshold of its own, and a smoothing, in the results of the yard."""
    probe, yard = Probe.load(case.probe), case.results.parent / "videos" / "yard.safetensors"

    def detect(threshold: float) -> None:
        found = read_states(yard).states["last"]
        timeline = probe.detect(found, threshold=threshold, smoothing="ema", ema_weight=0.5)
        document = timeline_document(timeline, video=str(yard), probe=probe.facts())
        write_json(document, case.results / "yard.json")

    def threshold_of(library: Library) -> float:
        (found,) = [v for v in library.videos() if v.name.startswith("yard")]
        assert library.timeline(found.id).smoothing == "ema"
        return found.threshold

    detect(0.31)
    with Library.open([case.results], probe=case.probe) as library:
        library.label(event_id=dog_in(library, "kitchen").id, kind="normal", reviewer="ann")
        teacher = Teacher(library)
        teacher.accept(teacher.refit().id, "ann")
        assert threshold_of(library) == 0.31
        teacher.restore(1, "ann")
        assert threshold_of(library) == 0.31
    with Library.open([case.results]) as library:
        assert threshold_of(library) == 0.31
        library.set_threshold(None, 0.6, "ann")
    with Library.open([case.results]) as library:
        assert threshold_of(library) == 0.6  # the last word
    detect(0.32)
    with Library.open([case.results]) as library:
        assert threshold_of(library) == 0.32


def test_states_of_one_layer_keep_that_layer(case: ReviewCase) -> None:
    for path in (case.results.parent / "videos").iterdir():
        found = read_states(path)
        one = {r: s.select_layers([BEST_LAYER]) for r, s in found.states.items()}
        write_states(path, VideoStates(states=one))
    with Library.open([case.results], probe=case.probe) as library:
        library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
        teacher = Teacher(library)
        teacher.accept(teacher.refit().id, "ann")
        in_use = library.probe_in_use()
        assert in_use.probe.layer_table_.layers == (BEST_LAYER,)
        base = in_use.versions.base().examples()[0].segments
        assert base is not None and base.layers == LAYERS  # the clips lose nothing


@pytest.mark.parametrize("skip_still", [False, True])
def test_states_of_videos_are_found_in_the_cache(
    tmp_path: Path, case: ReviewCase, monkeypatch: pytest.MonkeyPatch, skip_still: bool
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    video, cache = tmp_path / "yard.mp4", StatesCache(states_folder())
    video.write_bytes(b"stands for a video: only its hash is looked at")
    probe = Probe.load(case.probe)
    found = read_states(case.results.parent / "videos" / "yard.safetensors")
    parts = ExtractionSettings(skip_still=skip_still).key_parts("segments", WHOLE)
    key = cache.key(video, settings=parts, fingerprint=probe.fingerprint_)
    cache.put(key, found, video=video)
    timeline = probe.detect(found.states["last"])
    document = timeline_document(timeline, video=str(video), probe=probe.facts())
    write_json(document, tmp_path / "cached" / "yard.json")
    with Library.open([tmp_path / "cached"], probe=case.probe) as library:
        video.unlink()  # the scores and states are enough
        library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
        assert Teacher(library).refit().after.label_count == 1


@pytest.mark.parametrize("smoothing", ["gaussian", "ema", "none"])
def test_windows_that_overlap_are_scored_anew_as_they_were(
    tmp_path: Path, case: ReviewCase, smoothing: SmoothingKind
) -> None:
    kept = read_states(case.results.parent / "videos" / "yard.safetensors")
    start = kept.states["last"].start_seconds
    windows = {
        r: replace(s, start_seconds=start / 2, end_seconds=start / 2 + 1)
        for r, s in kept.states.items()
    }
    video, probe = tmp_path / "yard.safetensors", Probe.load(case.probe)
    write_states(video, VideoStates(states=windows))
    timeline = probe.detect(windows["last"], smoothing=smoothing)
    document = timeline_document(timeline, video=str(video), probe=probe.facts())
    write_json(document, tmp_path / "scored" / "yard.json")
    with Library.open([tmp_path / "scored"], probe=case.probe) as library:
        (video_id,) = library.video_ids()
        again = library.probe_in_use().scored(library.result(video_id))
        assert again is not None
        assert again.overlap == ("mean" if smoothing == "gaussian" else "last")
        np.testing.assert_allclose(again.smoothed, timeline.smoothed)


def test_a_refit_keeps_its_mode_and_reads_whole_clips_where_they_are_kept(
    case: ReviewCase,
) -> None:
    own = Probe.load(case.probe).examples()
    shutil.rmtree(case.probe)
    Probe(kappa=0.0, mode="clip").fit(own).save(case.probe)
    yard = case.results.parent / "videos" / "yard.safetensors"
    vector = states([NORMAL], np.random.default_rng(7))
    write_states(yard, VideoStates(read_states(yard).states, clip={"last": vector}))
    with Library.open([case.results], probe=case.probe) as library:
        teacher = Teacher(library)

        def refitted() -> Probe:
            return teacher._find(teacher.refit().id).probe

        video = dog_in(library, "yard").video_id
        library.label(
            video_id=video, start_seconds=0, end_seconds=11, kind="normal", reviewer="ann"
        )
        probe = refitted()
        taught = probe.examples()[-1]
        assert probe.mode_ == "clip" and taught.clip is not None and taught.segments is not None
        np.testing.assert_array_equal(taught.clip.values, vector.values)
        library.label(event_id=dog_in(library, "kitchen").id, kind="normal", reviewer="ann")
        probe = refitted()  # a stretch has no such vector
        assert probe.mode_ == "mil" and probe.settled().mode == "mil"


def test_the_vector_of_a_whole_video_is_found_in_the_cache(
    tmp_path: Path, case: ReviewCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPROBE_CACHE", str(tmp_path / "cache"))
    video, cache = tmp_path / "yard.mp4", StatesCache(states_folder())
    video.write_bytes(b"stands for a video: only its hash is looked at")
    probe = Probe.load(case.probe)
    kept = read_states(case.results.parent / "videos" / "yard.safetensors")
    vector = states([NORMAL], np.random.default_rng(7))
    for unit, found in (("segments", kept), ("clip", VideoStates({}, clip={"last": vector}))):
        parts = ExtractionSettings().key_parts(unit, WHOLE)
        key = cache.key(video, settings=parts, fingerprint=probe.fingerprint_)
        cache.put(key, found, video=video)
    document = timeline_document(
        probe.detect(kept.states["last"]), video=str(video), probe=probe.facts()
    )
    write_json(document, tmp_path / "cached" / "yard.json")
    with Library.open([tmp_path / "cached"], probe=case.probe) as library:
        (video_id,) = library.video_ids()
        found = library.probe_in_use().whole(library.result(video_id), (BEST_LAYER,))
        assert found is not None
        np.testing.assert_array_equal(found.layer(BEST_LAYER), vector.layer(BEST_LAYER))


def test_a_short_video_is_proposed_as_a_whole_and_once(case: ReviewCase) -> None:
    probe, rng = Probe.load(case.probe), np.random.default_rng(9)
    for number, kind in enumerate((NORMAL, FIGHT, DOG, NORMAL)):
        path = case.results.parent / "videos" / f"short{number}.safetensors"
        found = states([kind] * 4, rng)
        write_states(path, VideoStates(states={"last": found}))
        document = timeline_document(probe.detect(found), video=str(path), probe=probe.facts())
        write_json(document, case.results / f"short{number}.json")
    with Library.open([case.results], probe=case.probe) as library:
        names = {v.id: v.name for v in library.videos()}
        found = [p for p in Teacher(library).proposals(20) if names[p.video_id].startswith("short")]
        assert {(p.start_seconds, p.end_seconds) for p in found} == {(0, 4)}
        assert len({p.video_id for p in found}) == len(found) > 1
        assert all(p.event_id is None and p.why.startswith("the whole video") for p in found)
        first = found[0].video_id
        library.label(video_id=first, start_seconds=0, end_seconds=4, kind="normal", reviewer="ann")
        assert first not in {p.video_id for p in Teacher(library).proposals(20)}


def test_proposals_compare_whole_vectors_only_where_all_have_one(library: Library) -> None:
    probe, clips = library.probe_in_use().probe, library.probe_in_use().probe.examples()
    mean, whole = np.zeros(WIDTH), np.ones(WIDTH)
    place = (None, "video", 0.0, 4.0, 0.5, 0.5, mean, True)
    with_whole, without = Candidate(*place, whole), Candidate(*place)
    own = [clip.clip.layer(probe.layer_)[0] for clip in clips if clip.clip is not None]
    scaled = (np.stack(own) - probe.scorer_.mean) / probe.scorer_.scale
    found, known = compared_vectors(probe, [with_whole], clips)
    np.testing.assert_array_equal(found, [whole])
    np.testing.assert_allclose(known, scaled)
    found, known = compared_vectors(probe, [with_whole, without], clips)
    np.testing.assert_array_equal(found, [mean, mean])
    assert not np.allclose(known, scaled)


def test_labels_of_videos_without_states_are_told(case: ReviewCase, library: Library) -> None:
    yard, kitchen = dog_in(library, "yard"), dog_in(library, "kitchen")
    library.label(event_id=yard.id, kind="normal", reviewer="ann")
    text_path(library.video(yard.video_id).path).unlink()
    teacher = Teacher(library)
    with pytest.raises(UsageError, match="hiprobe detect"):
        teacher.refit()
    library.label(event_id=kitchen.id, kind="normal", reviewer="ann")
    (left_out,) = teacher.refit().left_out
    assert left_out.startswith("yard")


def test_the_last_word_counts_and_doubt_counts_for_nothing(library: Library) -> None:
    dog, other = dog_in(library, "yard"), dog_in(library, "kitchen")
    library.label(event_id=dog.id, kind="normal", reviewer="ann")
    last = library.label(event_id=dog.id, kind="anomaly", reviewer="bob")
    library.label(event_id=other.id, kind="anomaly", reviewer="ann")
    library.label(
        video_id=other.video_id,
        start_seconds=other.start_seconds,
        end_seconds=other.end_seconds + 0.1,
        kind="unsure",
        reviewer="bob",
    )
    assert standing(library.labels()) == [last]


def test_a_wrong_label_is_doubted(library: Library) -> None:
    kitchen = dog_in(library, "kitchen").video_id
    library.label(video_id=kitchen, start_seconds=4, end_seconds=7, kind="normal", reviewer="ann")
    doubts = Teacher(library).refit().doubtful
    assert doubts[0].name == "kitchen.safetensors [4.0-7.0 s]"
    assert doubts[0].label == "normal"


def test_proposals_pass_over_what_is_labelled_and_each_other(library: Library) -> None:
    teacher = Teacher(library)
    proposals = teacher.proposals(6)
    assert 1 < len(proposals) <= 6
    assert all("the threshold" in p.why for p in proposals)
    spans = [(p.video_id, p.start_seconds, p.end_seconds) for p in proposals]
    assert len(set(spans)) == len(spans)
    first = proposals[0]
    library.label(
        video_id=first.video_id,
        start_seconds=first.start_seconds,
        end_seconds=first.end_seconds,
        kind="normal",
        reviewer="ann",
    )
    assert spans[0] not in [
        (p.video_id, p.start_seconds, p.end_seconds) for p in teacher.proposals(6)
    ]


def test_neighbours_are_of_the_same_kind(library: Library) -> None:
    kitchen = dog_in(library, "kitchen").video_id
    fight = next(e for e in library.events(video=kitchen).events if e.start_seconds < 6)
    found = Teacher(library).neighbours(fight.id)
    assert [n.class_name for n in found] == ["fight"] * 3
    assert np.all(np.diff([n.distance for n in found]) >= 0)
    library.label(event_id=dog_in(library, "yard").id, kind="class", class_name="dog", reviewer="a")
    assert Teacher(library).neighbours(dog_in(library, "kitchen").id)[0].class_name == "dog"


def test_a_probe_saved_without_its_clips_is_told(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    probe = Probe.load(case.probe)
    probe.examples()
    shutil.rmtree(case.probe)
    probe.save(case.probe, keep_examples=False)
    with Library.open([case.results], probe=case.probe) as library:
        library.label(event_id=dog_in(library, "yard").id, kind="normal", reviewer="ann")
        with pytest.raises(ProbeFolderError, match="without the states"):
            Teacher(library).refit()
