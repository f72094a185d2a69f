"""Videos to test by frame, and probes on labelled stretches of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import EvaluationError
from hiprobe.evaluation.frame_scores import ScoredFrames, repeat_to_frames
from hiprobe.evaluation.truth import VideoTruth, frame_labels
from hiprobe.probe.training_set import Indices, grouped_folds, roc_auc
from hiprobe.reproduce.estimate import Units
from hiprobe.reproduce.held_out import Pairs, assemble, held_out_scores
from hiprobe.saliency import layer_saliency
from hiprobe.scorer import make_scorer
from hiprobe.states import LabelledStates, States


@dataclass(frozen=True)
class VideoPart:
    """A half-open stretch of frames that comes from one recording: the unit of intervals."""

    first_frame: int
    end_frame: int
    source: str


@dataclass(frozen=True)
class TestVideo:
    """An untrimmed video with frame-level truth.

    Attributes:
        load: gives the states of its segments, all layers; called when they are scored, so that
            the states of a large test set are never held together.
        frames: count of frames.
        fps: frames a second; frame i is shown from i / fps on.
        spans: abnormal half-open stretches in frames.
        parts: recordings that it is made of, in order, without gap; one for a natural video.
        joined: True where it was joined from clips, so that its cuts are no events.
        path: the file, for words about it; None where only its states are there.
    """

    __test__ = False  # the name must not make pytest collect it

    name: str
    load: Callable[[], States]
    frames: int
    fps: float
    spans: tuple[tuple[int, int], ...]
    parts: tuple[VideoPart, ...]
    joined: bool
    path: Path | None = None

    def __post_init__(self) -> None:
        # Sources are drawn by part, so a frame in none or in two of them would be lost or count
        # twice.
        edges = [0, *(p.end_frame for p in self.parts)]
        starts = [p.first_frame for p in self.parts]
        if edges[:-1] != starts or edges[-1] != self.frames:
            raise EvaluationError(
                f"{self.name}: parts {starts} to {edges[1:]} do not cover {self.frames} frames"
            )

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames at which one part ends and the next begins."""
        return tuple(p.first_frame for p in self.parts[1:])

    @property
    def labels(self) -> NDArray[np.bool_]:
        """bool `[frames]`: True where a frame is abnormal."""
        return frame_labels(self.spans, frames=self.frames)


@dataclass(frozen=True)
class FrameTest:
    """What is fitted on, and what other sources hold to test on.

    Attributes:
        fit: labelled states to fit on.
        videos: untrimmed videos to test by frame; may be empty.
        held: labelled states to test by clip; may be empty.
        protocol: all of it in one line.

    Raises:
        EvaluationError: a source is both fitted on and tested on.
    """

    data: str
    fit: tuple[LabelledStates, ...]
    videos: tuple[TestVideo, ...]
    held: tuple[LabelledStates, ...]
    protocol: str

    def __post_init__(self) -> None:
        tested = {p.source for v in self.videos for p in v.parts} | {e.source for e in self.held}
        # The one fault that makes every figure too good; it is checked for each test of each table.
        both = {e.source for e in self.fit} & tested
        if both:
            raise EvaluationError(f"{self.data}: sources {sorted(both)[:3]} are fitted and tested")


_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Stretches of frames of several videos, in order.

    Attributes:
        videos: the truth of each video.
        owner: int64 `[samples]`, position of each sample's video.
        labels: int64 `[samples]`.
        every_frames: frames of a stretch.
    """

    videos: tuple[VideoTruth, ...]
    owner: NDArray[np.int64]
    labels: NDArray[np.int64]
    every_frames: int

    def folds(self, *, folds: int, seed: int) -> Pairs:
        """Folds by video."""
        return grouped_folds(self.labels, [str(o) for o in self.owner], folds=folds, seed=seed)

    def units(self, scores: _Floats) -> Units:
        """Each stretch's score held for its frames; videos that no fold held out are left out."""
        pieces, truths, kept = [], [], []
        for position, video in enumerate(self.videos):
            own = scores[self.owner == position]
            if not np.isfinite(own).all():
                continue
            pieces.append(
                repeat_to_frames(
                    scores=own, repeat=self.every_frames, frames=video.frames, name=video.name
                )
            )
            truths.append(video.labels())
            kept.append(video)
        offsets = np.concatenate(([0], np.cumsum([v.frames for v in kept]))).astype(np.int64)
        frames = ScoredFrames(np.concatenate(pieces), np.concatenate(truths), offsets)
        return Units(frames, tuple(v.name for v in kept))


@dataclass(frozen=True)
class ByLayer:
    """Held-out scores of every layer, and the layer that saliency picks in each fold."""

    scores: Mapping[int, _Floats]
    dlsp: tuple[int, ...]
    pairs: Pairs

    def rule(self, name: str, labels: NDArray[np.int64]) -> _Floats:
        """Scores under a rule: `DLSP`, `last`, or `oracle` (the best of the held-out scores)."""
        if name == "last":
            return self.scores[max(self.scores)]
        if name == "oracle":
            return max(self.scores.values(), key=lambda s: roc_auc(labels, s))
        return assemble(self.scores, self.pairs, self.dlsp)


def probe_layers(
    states: NDArray[np.float32],
    samples: Samples,
    layers: Sequence[int],
    *,
    folds: int,
    seed: int,
) -> dict[str, Any]:
    """Fit a logistic regression on each layer in folds by video; JSON values for `by_layer`.

    Args:
        states: `[samples, layers, width]`.
    """
    pairs, labels = samples.folds(folds=folds, seed=seed), samples.labels
    dlsp = []
    for train, _ in pairs:
        x, y = states[train], labels[train]
        dlsp.append(int(layer_saliency(x[y == 0], x[y == 1], layers=tuple(layers)).best))

    def score(_: int, train: Indices, held: Indices) -> _Floats:
        scorer = make_scorer("logistic")
        fits = [scorer.fit(states[train, i], labels[train]) for i in range(len(layers))]
        return np.stack([f.probability(states[held, i]) for i, f in enumerate(fits)], axis=1)

    scores = held_out_scores((len(labels), len(layers)), pairs, score)
    return {
        "scores": {str(n): own.tolist() for n, own in zip(layers, scores.T, strict=True)},
        "dlsp": dlsp,
    }


def by_layer(found: Mapping[str, Any], samples: Samples, *, folds: int, seed: int) -> ByLayer:
    """Read what `probe_layers` gave, which may come from a finished piece.

    Args:
        found: held-out scores by layer, and the layer of each fold.
        folds, seed: those that `probe_layers` was given.
    """
    scores = {int(n): np.array(s, np.float64) for n, s in found["scores"].items()}
    return ByLayer(scores, tuple(found["dlsp"]), samples.folds(folds=folds, seed=seed))


def probe_words(texts: Sequence[str], samples: Samples, *, folds: int, seed: int) -> list[float]:
    """TF-IDF of words and pairs of words, with a logistic regression: held-out scores.

    Args:
        texts: one for each sample.

    Returns:
        One score for each sample, NaN where no fold held it out.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def score(_: int, train: Indices, held: Indices) -> _Floats:
        # Fitted inside the fold: the vocabulary of tested videos must not help.
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        x = words.fit_transform([texts[i] for i in train])
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(x, samples.labels[train])
        found: _Floats = model.predict_proba(words.transform([texts[i] for i in held]))[:, 1]
        return found

    pairs = samples.folds(folds=folds, seed=seed)
    return [float(s) for s in held_out_scores(len(texts), pairs, score)]
