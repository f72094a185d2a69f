"""A committee in a review: what its members say, states joined from their readings, and a refit."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from review_case import DOG, FIGHT, KITCHEN, NORMAL, YARD, ReviewCase, states

from hiprobe.errors import UsageError
from hiprobe.joined import join_states
from hiprobe.names import text_path
from hiprobe.probe import Probe
from hiprobe.report.documents import timeline_document, write_json
from hiprobe.review.library import Library
from hiprobe.review.teach import Teacher
from hiprobe.review.values import KeptEvent
from hiprobe.states import LabelledStates, Reading, States, VideoStates
from hiprobe.store.states_file import read_states, write_states

READINGS: tuple[Reading, ...] = ("last", "prompt_mean", "visual_mean", "vision_change_mean")
BLIND = "visual_mean"
"""A reading that tells the kinds of segments apart at no layer."""


def readings(kinds: Sequence[int], rng: np.random.Generator) -> dict[Reading, States]:
    """The last layer and the vision tower tell the kinds apart."""
    unseen = [NORMAL] * len(kinds)
    last, mean, blind, vision = (states(k, rng) for k in (kinds, kinds, unseen, kinds))
    for seeing in (last, mean):  # the blind reading makes dogs less of a fight again
        seeing.values[np.array(kinds) == DOG, 2, :4] += 2
    seen = vision.values[:, 2:3]
    return {
        "last": replace(last, values=np.roll(last.values, 1, axis=1)),
        "prompt_mean": replace(mean, values=np.roll(mean.values, 1, axis=1), reading="prompt_mean"),
        BLIND: replace(blind, reading=BLIND),
        "vision_change_mean": replace(
            vision, values=seen, layers=(1,), layer_count=1, reading="vision_change_mean"
        ),
    }


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> ReviewCase:
    """A committee on six normal clips and six fights, and two videos with dogs in them."""
    folder, rng = tmp_path_factory.mktemp("committee"), np.random.default_rng(5)
    views: list[list[LabelledStates]] = [[] for _ in READINGS]
    for number in range(6):
        for kind, name in ((NORMAL, "normal"), (FIGHT, "fight")):
            whole, parts = readings([kind], rng), readings([kind] * 3, rng)
            called = f"{name}-{number}.mp4"
            for view, reading in zip(views, READINGS, strict=True):
                made = (whole[reading], parts[reading])
                view.append(LabelledStates(called, kind, called, *made, name))
    probe = Probe(recipe="committee", kappa=0.0).fit_views(views)
    probe.save(folder / "probe")
    for name, kinds in (("kitchen", KITCHEN), ("yard", YARD)):
        path, found = folder / "videos" / f"{name}.safetensors", readings(kinds, rng)
        write_states(path, VideoStates(states=found))
        timeline = probe.detect(join_states(found, probe.members))
        document = timeline_document(timeline, video=str(path), probe=probe.facts())
        write_json(document, folder / "results" / f"{name}.json")
    return ReviewCase(folder / "probe", folder / "results")


@pytest.fixture
def library(case: ReviewCase) -> Iterator[Library]:
    with Library.open([case.results], probe=case.probe) as opened:
        yield opened


def event_at(library: Library, video: str, seconds: float) -> KeptEvent:
    (found,) = [v.id for v in library.videos() if v.name.startswith(video)]
    events = library.events(video=found).events
    return next(e for e in events if e.start_seconds <= seconds < e.end_seconds)


def log_odds(library: Library, event: KeptEvent) -> float:
    """The committee's own, mean over the event's segments."""
    timeline = library.timeline(event.video_id)
    inside = (timeline.start_seconds >= event.start_seconds) & (
        timeline.end_seconds <= event.end_seconds
    )
    score = timeline.scores[inside]
    return float(np.log(score / (1 - score)).mean())


def test_the_votes_add_up_to_what_the_committee_says(library: Library) -> None:
    teacher = Teacher(library)
    fight, dog = event_at(library, "kitchen", 5), event_at(library, "yard", 4)
    said, other = teacher.members(fight.id), teacher.members(dog.id)
    named = {member.name for member in library.probe_in_use().probe.members}
    assert {vote.name for vote in said} == named and len(said) == 4
    assert sum(vote.weight for vote in said) == pytest.approx(1)
    loudness = [abs(vote.log_odds) for vote in said]
    assert loudness == sorted(loudness, reverse=True)
    assert said[0].log_odds > 0 and not said[0].name.startswith(BLIND)
    # A constant aside, which is the same for all events.
    votes = [sum(vote.log_odds for vote in votes) for votes in (said, other)]
    told = [log_odds(library, event) for event in (fight, dog)]
    assert votes[0] - votes[1] == pytest.approx(told[0] - told[1], abs=1e-3)
    assert "committee" in library.probe().recipe


def test_a_committee_learns_from_a_label(case: ReviewCase, library: Library) -> None:
    dog, other = event_at(library, "yard", 4), event_at(library, "kitchen", 12)
    before = library.probe_in_use().probe
    library.label(event_id=dog.id, kind="normal", reviewer="ann")
    teacher = Teacher(library)
    refit = teacher.refit()
    assert (refit.after.label_count, refit.left_out) == (1, ())
    assert {e.id for e in refit.vanishing} >= {dog.id, other.id}
    teacher.accept(refit.id, "ann")
    made = Probe.load(case.probe)
    assert made.members == before.members and made.recipe == "committee"
    assert len(made.names_) == len(before.names_) + 1
    fight = event_at(library, "kitchen", 5)
    assert len(teacher.members(fight.id)) == len(before.members)
    near = teacher.neighbours(fight.id)
    assert {clip.label for clip in near} == {"anomaly"}
    with Library.open([case.results]) as again:  # joined and scored anew from the kept states
        assert again.events(sort="time").events == library.events(sort="time").events
    teacher.restore(1, "ann")
    assert event_at(library, "kitchen", 12).id == other.id


def test_a_video_without_one_of_the_readings_teaches_nothing(library: Library) -> None:
    dog = event_at(library, "yard", 4)
    path = text_path(library.video(dog.video_id).path)
    kept = read_states(path)
    lacking = {r: s for r, s in kept.states.items() if r != BLIND}
    try:
        write_states(path, VideoStates(states=lacking))
        assert Teacher(library).members(dog.id) == ()
        library.label(event_id=dog.id, kind="normal", reviewer="ann")
        with pytest.raises(UsageError, match="states of no labelled video"):
            Teacher(library).refit()
    finally:
        write_states(path, kept)
