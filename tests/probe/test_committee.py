"""A committee of readings and layers: what it fits, keeps, refuses and holds still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.errors import ProbeFolderError, StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.joined import (
    Member,
    join_examples,
    join_states,
    layers_of,
    members_of,
    readings_of,
    slices_of,
)
from hiprobe.probe import Probe
from hiprobe.probe.committee import CommitteeScorer
from hiprobe.states import LabelledStates, Reading, States

MADE_BY = Fingerprint("model", "weights", "float32", "prompt", {})
WIDTHS: dict[Reading, int] = {"last": 6, "visual_mean": 6, "vision_change_mean": 9}
STRENGTH: dict[Reading, float] = {"last": 1.2, "visual_mean": 0.0, "vision_change_mean": 1.6}
"""How far the classes lie apart in each reading; the middle one knows nothing."""


def states(values: np.ndarray, reading: Reading) -> States:
    """Segments of a second each."""
    count, layers = values.shape[:2]
    return States(
        values=values.astype(np.float32),
        layers=tuple(range(1, layers + 1)),
        start_seconds=np.arange(count, dtype=np.float64),
        end_seconds=np.arange(count, dtype=np.float64) + 1,
        reading=reading,
        fingerprint=MADE_BY,
        layer_count=layers,
        failed=np.zeros(count, np.bool_),
    )


def make_views(count: int = 12, *, seed: int = 0) -> list[list[LabelledStates]]:
    """So many clips of each kind in three readings."""
    rng = np.random.default_rng(seed)
    views: list[list[LabelledStates]] = [[] for _ in WIDTHS]
    for number in range(2 * count):
        label = number % 2
        for view, (reading, width) in zip(views, WIDTHS.items(), strict=True):
            layers = 1 if reading.startswith("vision") else 7
            shift = STRENGTH[reading] * label * np.linspace(1, 0.2, width)
            clip = rng.normal(size=(1, layers, width)) + shift
            parts = rng.normal(size=(3, layers, width)) + shift
            made = (states(clip, reading), states(parts, reading))
            view.append(LabelledStates(f"c{number}", label, f"s{number}", *made))
    return views


def fitted(views: Sequence[Sequence[LabelledStates]], **settings: object) -> Probe:
    return Probe(recipe="committee", **settings).fit_views(views)  # type: ignore[arg-type]


def test_members_are_every_third_layer_of_the_deeper_half_and_one_of_the_tower() -> None:
    views = make_views()
    clips = [view[0].clip for view in views]
    members = members_of([c for c in clips if c is not None])
    assert [(m.reading, m.layer) for m in members] == [
        *(("last", n) for n in (7, 4)),
        *(("visual_mean", n) for n in (7, 4)),
        ("vision_change_mean", 1),
    ]
    assert readings_of(members) == tuple(WIDTHS) and layers_of(members) == (4, 7)
    joined = join_examples(views, members)[0].segments
    assert joined is not None and joined.width == 2 * 6 + 2 * 6 + 9
    first = views[0][0].segments
    assert first is not None
    np.testing.assert_array_equal(joined.values[:, 0, slices_of(members)[1]], first.layer(4))
    shallow = members_of([c for c in clips if c is not None], up_to=3)
    assert layers_of(shallow) == (3,)


def test_it_beats_its_best_member_and_silences_the_one_at_chance() -> None:
    probe = fitted(make_views(40))
    weight = dict.fromkeys(WIDTHS, 0.0)
    for row in probe.member_table_:
        weight[row.reading] += row.weight
    assert sum(weight.values()) == pytest.approx(1)
    assert weight["visual_mean"] < 0.1 < weight["last"]
    assert probe.cv_auc_ is not None and probe.cv_auc_ > 0.9


@pytest.mark.parametrize("clips", [6, 60])
def test_the_vision_tower_counts_less_while_clips_are_few(clips: int) -> None:
    rng, labels = np.random.default_rng(0), np.arange(clips) % 2
    members = (Member("last", 1, 4), Member("vision_change_mean", 1, 4))
    x = rng.normal(size=(clips, 8))
    x[:, [0, 4]] += 3 * labels[:, None]  # both readings tell the same
    scorer = CommitteeScorer(classifier=None, members=members, evidence_clips=np.inf)
    first, second = scorer.fit(x, labels).rows
    rarer = clips // 2
    assert second.weight / first.weight == pytest.approx(rarer / (rarer + 50))


def test_the_score_is_the_weighted_mean_of_the_members_log_odds() -> None:
    views = make_views()
    probe = fitted(views)
    joined = probe.joined(make_views(seed=9))
    x = np.stack([e.clip.values[0, 0] for e in joined if e.clip is not None]).astype(np.float64)
    z = (x - probe.scorer_.mean) / probe.scorer_.scale
    parts = [(z[:, s] * probe.scorer_.weights[s]).sum(axis=1) for s in slices_of(probe.members)]
    odds = probe.scorer_.slope * np.sum(parts, axis=0) + probe.scorer_.bias
    np.testing.assert_allclose(probe.scorer_.probability(x), 1 / (1 + np.exp(-odds)), rtol=1e-9)


def test_it_is_saved_loaded_extended_and_scores_the_same(tmp_path: Path) -> None:
    probe = fitted(make_views(), draws=2)
    probe.save(tmp_path / "p")
    loaded = Probe.load(tmp_path / "p")
    new = loaded.joined(make_views(4, seed=5))
    np.testing.assert_array_equal(probe.predict_proba(new), loaded.predict_proba(new))
    assert loaded.facts() == probe.facts() and loaded.facts()["recipe"] == "committee"
    assert (loaded.member_table_, loaded.draw_aucs_) == (probe.member_table_, probe.draw_aucs_)
    renamed = [replace(e, name=f"n-{e.name}", source=f"n-{e.source}") for e in new]
    loaded.add(renamed)
    assert len(loaded.names_) == 24 + 8
    loaded.save(tmp_path / "p")
    assert len(Probe.load(tmp_path / "p").examples()) == 32


def test_a_damaged_list_of_members_is_refused(tmp_path: Path) -> None:
    fitted(make_views()).save(tmp_path / "p")
    text = (tmp_path / "p" / "probe.json").read_text()
    (tmp_path / "p" / "probe.json").write_text(text.replace('"visual_mean"', '"nowhere"', 1))
    with pytest.raises(ProbeFolderError, match="damaged"):
        Probe.load(tmp_path / "p")


def test_states_of_other_readings_are_refused() -> None:
    probe = fitted(make_views())
    views = make_views()
    with pytest.raises(StatesError, match="vision_change_mean"):
        probe.joined(views[:2])
    clip = views[0][0].clip
    assert clip is not None
    with pytest.raises(StatesError, match="joined"):
        probe.detect(clip)
    with pytest.raises(UsageError, match="fit_views"):
        Probe(recipe="committee").fit(views[0])
    with pytest.raises(UsageError, match="twice"):
        Probe(recipe="committee").fit_views([views[0], views[0]])
    with pytest.raises(UsageError, match="choose one of"):
        Probe(recipe="board").fit(views[0])  # type: ignore[arg-type]
    with pytest.raises(StatesError, match="dimensions"):
        join_states({"last": clip}, [Member("last", 1, 5)])


def test_a_segment_that_failed_in_one_reading_has_no_score() -> None:
    probe = fitted(make_views())
    parts = {e.segments.reading: e.segments for v in make_views(1) for e in v[:1] if e.segments}
    lost = parts["visual_mean"]
    values = lost.values.copy()
    values[1] = 0
    parts["visual_mean"] = replace(lost, values=values, failed=np.array([False, True, False]))
    scores = probe.score(join_states(parts, probe.members))
    assert np.isnan(scores).tolist() == [False, True, False]


def test_a_few_clips_give_no_certainty() -> None:
    probe = fitted(make_views(2))
    proba = probe.predict_proba(probe.joined(make_views(2)))[:, 1]
    assert proba.min() > 0.02 and proba.max() < 0.98


def test_the_threshold_holds_still_when_the_folds_are_drawn_ten_times() -> None:
    views = make_views(10, seed=2)
    once = [fitted(views, seed=100 * s).threshold_ for s in range(4)]
    often = [fitted(views, seed=100 * s, draws=10).threshold_ for s in range(4)]
    assert np.ptp(often) < np.ptp(once)
    assert len(fitted(views, draws=10).draw_aucs_) == 10


def test_neither_names_nor_the_order_of_clips_move_the_threshold() -> None:
    views = make_views(8, seed=4)
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(16)
    renamed = [
        [replace(view[i], name=f"{99 - i}", source=f"{99 - i}", class_name="z") for i in shuffled]
        for view in views
    ]
    found = [fitted(v, draws=10).threshold_ for v in (views, renamed)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_no_held_out_clip_takes_part_in_its_own_score() -> None:
    """Labels without any relation to the states: held-out scores must know nothing of them."""
    areas = []
    for seed in range(6):
        views = make_views(12, seed=seed)
        rng = np.random.default_rng(seed)
        labels = rng.permutation([0, 1] * 12)
        plain = [
            [replace(e, label=int(y)) for e, y in zip(view, labels, strict=True)]
            for view in [make_noise(v) for v in views]
        ]
        found = fitted(plain).cv_auc_
        assert found is not None
        areas.append(found)
    assert 0.3 < float(np.mean(areas)) < 0.7


def make_noise(view: Sequence[LabelledStates]) -> list[LabelledStates]:
    """The clips with states that say nothing."""
    made = []
    for number, example in enumerate(view):
        rng = np.random.default_rng([number, len(example.name)])
        assert example.clip is not None and example.segments is not None
        clip, parts = (
            replace(s, values=rng.normal(size=s.values.shape).astype(np.float32))
            for s in (example.clip, example.segments)
        )
        made.append(replace(example, clip=clip, segments=parts))
    return made


def test_a_scorer_alone_takes_each_row_as_its_own_source() -> None:
    members = (Member("last", 1, 3), Member("vision_change_mean", 1, 4))
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * 10)
    x = rng.normal(size=(20, 7)) + y[:, None]
    found = CommitteeScorer(classifier=None, members=members).fit(x, y)
    assert len(found.rows) == 2 and found.width == 7
