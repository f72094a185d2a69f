"""The three baselines on videos, with a small backbone that answers by brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answering import GOOD_HEAD, Answerer, segment, write_video
from numpy.typing import NDArray

from hiprobe.backbones.interface import Backbone, FirstToken, HeadStates
from hiprobe.baselines.asked import (
    HEAD_PROMPTS,
    METHODS,
    QUESTIONS,
    FirstTokenView,
    Method,
    NumberView,
    OrdinalView,
    Questions,
    answered,
    first_token_scores,
)
from hiprobe.baselines.attention_heads import (
    ChosenHeadsView,
    Head,
    HeadsView,
    fit_heads_on,
    head_states_of,
)
from hiprobe.baselines.zero_label_video import view_of, zero_label_video
from hiprobe.datasets.clips import read_clips
from hiprobe.errors import BackboneError, LabelError, StatesError, UsageError
from hiprobe.segment import Segment
from hiprobe.store.states_cache import StatesCache

LEVELS = (20, 30, 220, 230, 40)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "v.mp4", LEVELS)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for number in range(6):
        write_video(tmp_path / "clips" / "normal" / f"{number}.mp4", [20 + 4 * number])
        write_video(tmp_path / "clips" / "abnormal" / f"{number}.mp4", [200 + 4 * number])
    return tmp_path / "clips"


def test_the_test_backbone_offers_everything() -> None:
    answerer = Answerer()
    assert isinstance(answerer, Backbone)
    assert isinstance(answerer, FirstToken) and isinstance(answerer, HeadStates)


def test_first_token_finds_the_bright_part(video: Path) -> None:
    found = zero_label_video(video, backbone=Answerer(), method="first-token")
    ((start, end),) = ((e.first_segment, e.end_segment) for e in found.timeline.events)
    assert (start, end) == (2, 4) and found.timeline.threshold == 0.5
    assert (found.unanswered, found.failed) == (0, 0)
    assert found.mass == pytest.approx(0.5, abs=1e-6)


def test_the_graded_questions_are_asked_in_one_look_and_find_the_bright_part(video: Path) -> None:
    answerer = Answerer()
    found = zero_label_video(video, backbone=answerer, method="ordinal")
    ((start, end),) = ((e.first_segment, e.end_segment) for e in found.timeline.events)
    assert (start, end) == (2, 4) and found.mass == pytest.approx(0.5, abs=1e-6)
    assert set(answerer.asked) == set(QUESTIONS.ladder) and len(QUESTIONS.ladder) == 10


def test_the_ordinal_score_is_the_mean_of_yes_over_the_questions() -> None:
    class Graded(Answerer):
        def first_token(self, segments, *, prompts, words):  # type: ignore[no-untyped-def]
            yes = np.linspace(0.05, 0.45, len(prompts))[:, None] * np.ones(len(segments))
            return np.log(np.stack([yes, 0.5 - yes], axis=-1))

    view = OrdinalView(Graded())
    yes, mass = view.states([segment(9), segment(200)], layers=(1,))["last"][:, 0].T
    np.testing.assert_allclose(yes, np.linspace(0.1, 0.9, 10).mean(), rtol=1e-6)
    np.testing.assert_allclose(mass, 0.5, rtol=1e-6)
    assert view.fingerprint != FirstTokenView(Graded()).fingerprint


def test_a_leaning_towards_yes_falls_out(video: Path) -> None:
    fair = zero_label_video(video, backbone=Answerer(), method="first-token").timeline.scores
    leaning = zero_label_video(video, backbone=Answerer(bias=3.0), method="first-token")
    np.testing.assert_allclose(leaning.timeline.scores, fair, atol=1e-4)


def test_the_first_token_score_is_the_stated_formula() -> None:
    values = FirstTokenView(Answerer(bias=1.0)).states([segment(255), segment(0)], layers=(1,))
    rows = values["last"][:, 0].astype(np.float64)
    np.testing.assert_allclose(rows[:, 0], [3.0, -1.0], atol=1e-5)
    np.testing.assert_allclose(rows[:, 2], [-1.0, 3.0], atol=1e-5)
    grey = 4 * (127 / 255 - 0.5)
    np.testing.assert_allclose(rows[:, 4:], [[1 + grey, 1 - grey]] * 2, atol=1e-5)
    scores, mass = first_token_scores(rows)
    expected = 1 / (1 + np.exp(-(np.array([2.0, -2.0]) - grey)))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(mass, 0.5, atol=1e-6)


def test_the_blank_is_asked_once_for_each_size() -> None:
    answerer = Answerer()
    view = FirstTokenView(answerer)
    view.states([segment(1), segment(2)], layers=(1,))
    assert len(answerer.asked) == 4
    view.states([segment(3), segment(4, size=(6, 8))], layers=(1,))
    assert len(answerer.asked) == 8


class Timed(Answerer):
    """Says Yes the more, the later the last key frame comes in its segment."""

    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        yes = np.array([0.1 + 0.1 * s.frame_offsets_seconds[-1] for s in segments])
        both = np.stack([yes, 1 - yes], axis=-1)
        return np.log(np.broadcast_to(both, (len(prompts), *both.shape)))


def test_the_blank_does_not_depend_on_the_segments_before() -> None:
    one = segment(9)
    times = np.linspace(0.0, 0.8, len(one.frames))
    early, late = (
        replace(one, frame_seconds=tuple(one.start_seconds + s * times)) for s in (1.0, 1.04)
    )
    orders = [(early, late), (late, early)]
    first, second = (FirstTokenView(Timed()).states(o, layers=(1,))["last"][:, 0] for o in orders)
    np.testing.assert_allclose(first, second[::-1], atol=1e-6)
    np.testing.assert_allclose(first[:, 4], first[:, 0], atol=1e-2)


def test_decoded_numbers_are_the_scores(video: Path) -> None:
    found = zero_label_video(video, backbone=Answerer(), method="decoded", sigma_segments=0.0)
    np.testing.assert_allclose(found.timeline.scores, [0.1, 0.1, 0.9, 0.9, 0.1], atol=1e-6)
    assert found.unanswered == 0 and found.mass is None


def test_answers_without_a_number_are_counted_and_have_no_score(video: Path) -> None:
    mute = Answerer(answers=("Nothing happens.", "0.9"))
    found = zero_label_video(video, backbone=mute, method="decoded")
    assert found.unanswered == 3 and found.failed == 0
    assert np.isnan(found.timeline.scores).tolist() == [True, True, False, False, True]
    assert [(e.first_segment, e.end_segment) for e in found.timeline.events] == [(2, 4)]
    given = answered(found.detected.states, method="decoded")
    np.testing.assert_allclose(given.neutral, [0.5, 0.5, 0.9, 0.9, 0.5], atol=1e-6)


def test_heads_are_chosen_on_clips_and_detect(clips: Path, video: Path) -> None:
    answerer = Answerer()
    views, failures = head_states_of(read_clips(clips), backbone=answerer)
    assert len(views) == len(HEAD_PROMPTS) and not failures
    heads = fit_heads_on(views, head_count=answerer.head_count, top=1)
    assert heads.heads == (Head(*GOOD_HEAD),)
    found = zero_label_video(video, backbone=answerer, method="heads", heads=heads)
    assert [(e.first_segment, e.end_segment) for e in found.timeline.events] == [(2, 4)]


def test_one_kind_of_clips_is_not_enough_for_heads(clips: Path) -> None:
    answerer = Answerer()
    views, _ = head_states_of(read_clips(clips), backbone=answerer)
    calm = [[e for e in view if e.label == 0] for view in views]
    with pytest.raises(LabelError, match="both kinds"):
        fit_heads_on(calm, head_count=answerer.head_count)


@pytest.mark.parametrize("method", ["first-token", "ordinal", "decoded"])
def test_answers_are_cached_and_not_taken_for_others(
    video: Path, tmp_path: Path, method: Method
) -> None:
    cache, answerer = StatesCache(tmp_path / "cache"), Answerer()
    one = zero_label_video(video, backbone=answerer, method=method, cache=cache)
    asked = len(answerer.asked)
    again = zero_label_video(video, backbone=answerer, method=method, cache=cache)
    assert len(answerer.asked) == asked
    np.testing.assert_array_equal(one.timeline.scores, again.timeline.scores)
    zero_label_video(
        video,
        backbone=answerer,
        method=method,
        questions=Questions(odd="Odd?", number="Number?", ladder=("Bad?", "Worse?")),
        cache=cache,
    )
    assert len(answerer.asked) > asked


def test_every_view_has_a_fingerprint_of_its_own() -> None:
    answerer = Answerer()
    views: list[Backbone] = [
        FirstTokenView(answerer),
        NumberView(answerer),
        HeadsView(answerer),
        HeadsView(answerer, "other"),
        ChosenHeadsView(answerer, (Head(1, 0),)),
        ChosenHeadsView(answerer, (Head(1, 1),)),
        answerer,
    ]
    assert len({v.fingerprint.digest for v in views}) == len(views)
    assert all(isinstance(v, Backbone) for v in views)


def test_chosen_heads_are_those_of_all_heads() -> None:
    answerer, seen = Answerer(), [segment(10), segment(200)]
    every = HeadsView(answerer).states_by_prompt(seen, prompts=HEAD_PROMPTS[:1], layers=(1, 2, 3))
    rows = every[HEAD_PROMPTS[0]]["last"].reshape(2, 3, 2, 3)
    chosen = ChosenHeadsView(answerer, (Head(3, 1), Head(1, 0))).states(seen, layers=(1,))["last"]
    # only what the frames decide can be compared: the noise of the test backbone depends on layers
    assert chosen.shape == (2, 1, 6) and rows.shape == (2, 3, 2, 3)


class Mute:
    """A backbone that offers states alone."""

    layer_count, width = 1, 1
    fingerprint = Answerer().fingerprint


@pytest.mark.parametrize("method", ["first-token", "ordinal", "heads"])
def test_a_backbone_that_does_not_offer_it_is_refused(method: Method) -> None:
    with pytest.raises(BackboneError, match="choose another method"):
        view_of(Mute(), method=method)  # type: ignore[arg-type]


def test_wrong_use_is_refused(video: Path) -> None:
    with pytest.raises(UsageError, match="needs"):
        zero_label_video(video, backbone=Answerer(), method="heads")
    with pytest.raises(UsageError, match="choose one of"):
        view_of(Answerer(), method="oracle")
    with pytest.raises(UsageError, match="empty"):
        Questions(odd="")
    states = zero_label_video(video, backbone=Answerer(), method="decoded").detected.states
    with pytest.raises(StatesError, match="not answers"):
        answered(states, method="first-token")
    assert set(METHODS) == {"first-token", "ordinal", "decoded", "heads"}
