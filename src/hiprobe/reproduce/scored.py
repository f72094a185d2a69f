"""Held-out scores of clips, segments and frames under one choice of settings."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.localize import Smoothing
from hiprobe.paper import KEY_FRAMES
from hiprobe.probe.fold_fits import detection_scores
from hiprobe.probe.training_set import TrainingSet, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.frame_probe import FrameTest
from hiprobe.reproduce.held_out import Fit, Moments, Variant, fit_set
from hiprobe.reproduce.request import DataSource
from hiprobe.reproduce.video_folds import tests_of
from hiprobe.states import LabelledStates, States


def normed_states(bench: Bench, states: States) -> States:
    """States with the model's final norm on the last layer; failed segments stay as they are."""
    values = states.values.copy()
    last = states.layers.index(states.layer_count)
    alive = ~states.failed
    values[alive, last] = bench.extraction.final_norm(values[alive, last])
    return replace(states, values=values)


_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VideoScores:
    """Scores of one video's segments, NaN where the backbone gave up.

    Attributes:
        scores: after smoothing, which every metric takes.
        raw: before it, for pictures; None where not kept.
    """

    start_seconds: _Floats
    end_seconds: _Floats
    scores: _Floats
    raw: _Floats | None = None

    @classmethod
    def of(cls, fit: Fit, states: States) -> VideoScores:
        """Scores of a video's states under a fit."""
        return cls(
            states.start_seconds, states.end_seconds, fit.smoothed(states), fit.scores(states)
        )

    @classmethod
    def of_json(cls, columns: Iterable[Sequence[float]]) -> VideoScores:
        """The lists that a finished piece holds, in the order of the attributes."""
        return cls(*(np.array(values, np.float64) for values in columns))


@dataclass(frozen=True)
class ScoredTest:
    """What one variant gave on one test.

    Attributes:
        clips: score of each of `test.held`, its highest smoothed segment.
        videos: one for each of `test.videos`.
        moments: few-shot scores of held-out clips, which T comes from.
        training: few-shot scores of the clips that were fitted on.
        seconds: time of fitting and of scoring clips, without what variants share.
    """

    test: FrameTest
    layer: int
    mode: str
    clips: _Floats
    videos: tuple[VideoScores, ...]
    moments: Moments
    training: Moments
    seconds: float


# Name of a variant to its scored tests.
Scored = Mapping[str, list[ScoredTest]]


def score_variants(
    bench: Bench,
    data: DataSource,
    variants: Sequence[Variant],
    *,
    seed: int,
    key_frames: int = KEY_FRAMES,
    by_frame: bool = True,
) -> Scored:
    """Fit and score every variant on every test of a data set, under one seed.

    Args:
        variants: each with a name of its own.
        seed: of folds, joined videos and draws.
        by_frame: False leaves untrimmed videos out.

    Returns:
        Name of a variant to one scored test for each fold.
    """
    tests = tests_of(bench, data, seed=seed, key_frames=key_frames, by_frame=by_frame)
    return score_tests(bench, tests, variants, seed=seed)


def score_tests(
    bench: Bench,
    tests: Iterable[FrameTest],
    variants: Sequence[Variant],
    *,
    seed: int,
) -> Scored:
    """Fit and score every variant on every test; what is finished is taken from before.

    Args:
        tests: read one after the other, so that one test's states are in memory.
        seed: of the fits.

    Returns:
        Name of a variant to its scored tests, in the order of `tests`.
    """
    found: dict[str, list[ScoredTest]] = {v.name: [] for v in variants}
    for test in tests:
        base = {
            "fit": states_digest(test.fit),
            "held": states_digest(test.held),
            "videos": [[v.name, v.frames, [p.source for p in v.parts]] for v in test.videos],
            "seed": seed,
            "folds": bench.request.folds,
            "mode": bench.request.mode,
        }
        names = {v.name: {k: w for k, w in vars(v).items() if k != "name"} for v in variants}
        keys = {name: {**base, **settings} for name, settings in names.items()}
        pieces: dict[str, Any] = {v.name: bench.finished.find(keys[v.name]) for v in variants}
        # all missing ones in one go: a video is read once for all of them
        missing = [v for v in variants if pieces[v.name] is None]
        for name, piece in _compute(bench, test, missing, seed).items():
            pieces[name] = bench.finished.keep(keys[name], piece)
        for name, piece in pieces.items():
            found[name].append(_scored(test, piece))
    return found


def states_digest(examples: Sequence[LabelledStates]) -> str:
    """Sixteen hexadecimal digits over labels, sources and all values."""
    # of the values and not of file names: equal states that were extracted again find their old
    # pieces
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.name}|{example.label}|{example.source}|".encode())
        for states in (example.clip, example.segments):
            if states is not None:
                digest.update(states.values.tobytes())
    return digest.hexdigest()[:16]


class _Sets:
    """The clips of a test as arrays, made once for all variants that read them alike."""

    def __init__(self, bench: Bench, test: FrameTest) -> None:
        self._bench, self._test = bench, test
        self._made: dict[tuple[str, bool], TrainingSet] = {}

    def fitted(self, variant: Variant) -> TrainingSet:
        """The clips that are fitted on, as arrays."""
        return self._set("fit", self._test.fit, variant)

    def held(self, variant: Variant) -> TrainingSet | None:
        """What is held out, and behind it clips that fill up a missing kind; None without any."""
        held = self._test.held
        labels = {e.label for e in held}
        # both kinds are asked of a training set only; held-out clips may be of one
        padded = (*held, *(replace(held[0], label=v) for v in {0, 1} - labels if held))
        return self._set("held", padded, variant) if held else None

    def _set(self, what: str, clips: Sequence[LabelledStates], variant: Variant) -> TrainingSet:
        key = (what, variant.normed)
        if key not in self._made:
            self._made[key] = training_set([self._read(e) if variant.normed else e for e in clips])
        return self._made[key]

    def _read(self, example: LabelledStates) -> LabelledStates:
        clip, segments = (
            None if s is None else normed_states(self._bench, s)
            for s in (example.clip, example.segments)
        )
        return replace(example, clip=clip, segments=segments)


def _compute(
    bench: Bench, test: FrameTest, variants: Sequence[Variant], seed: int
) -> dict[str, dict[str, Any]]:
    """Fit all variants, then read each video once for all of them."""
    fits: list[tuple[Variant, Fit]] = []
    pieces: dict[str, dict[str, Any]] = {}
    sets = _Sets(bench, test)
    for variant in variants:
        fitted, held = sets.fitted(variant), sets.held(variant)
        began = time.monotonic()  # after what variants share, or the first one pays for all
        fit = fit_set(fitted, variant, request=bench.request, seed=seed)
        fits.append((variant, fit))
        pieces[variant.name] = {
            "layer": fit.layer,
            "mode": fit.mode,
            "moments": astuple(fit.moments()),
            "training": astuple(fit.training),
            "clips": _clip_scores(held, len(test.held), fit).tolist(),
            "videos": [],
            "seconds": time.monotonic() - began,
        }
    # states of one video at a time: a test set of them would not fit into memory
    for video in test.videos if variants else ():
        states = video.load()
        for variant, fit in fits:
            read = normed_states(bench, states) if variant.normed else states
            columns = vars(VideoScores.of(fit, read)).values()
            pieces[variant.name]["videos"].append([column.tolist() for column in columns])
    return pieces


def _clip_scores(held: TrainingSet | None, count: int, fit: Fit) -> _Floats:
    """Highest smoothed segment of each of the first `count` clips."""
    if held is None:
        return np.zeros(0)
    clips, smoothing = np.arange(count), Smoothing()
    return detection_scores(held, clips, layer=fit.layer, scorer=fit.scorer, smoothing=smoothing)


def _scored(test: FrameTest, piece: Mapping[str, Any]) -> ScoredTest:
    return ScoredTest(
        test=test,
        layer=int(piece["layer"]),
        mode=str(piece["mode"]),
        clips=np.array(piece["clips"], np.float64),
        videos=tuple(VideoScores.of_json(video) for video in piece["videos"]),
        moments=Moments(*piece["moments"]),
        training=Moments(*piece["training"]),
        seconds=float(piece["seconds"]),
    )
