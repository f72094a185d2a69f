"""What labels gain, and what it matters how they are chosen, on the states of a folder of clips.

    python benchmarks/labels.py car_crash/manifest.csv --recipe paper --mode clip --draws 60

A draw holds a third of the sources apart and begins with four clips of each kind. Then come five
rounds of eight labels, chosen as the review proposes them or at random, each answered with the
label of the clip. Everything is fitted on arrays in memory by the functions that a refit uses; the
layer is chosen anew in each round, the mode is fixed, and there is no cross-validation, since only
the clips held apart are scored. States come from the cache, or are made first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.datasets.clips import read_labelled
from hiprobe.joined import COMMITTEE_READINGS
from hiprobe.pipeline import ExtractionSettings, extract_views
from hiprobe.probe import Probe
from hiprobe.probe.fitting import training_set_for, usable_in_all
from hiprobe.probe.fold_fits import detection_scores, fit_mode
from hiprobe.probe.selection import choose_layer
from hiprobe.probe.training_set import TrainingSet, grouped_folds, roc_auc
from hiprobe.review.proposals import most_telling
from hiprobe.settings import states_folder
from hiprobe.spec import BackboneSpec
from hiprobe.store.states_cache import StatesCache

START, LABELS_A_ROUND, ROUNDS, PARTS = 4, 8, 5, 3

# Where uncertainty is highest. A review takes the threshold of its probe, which lies near it.
MIDDLE = 0.6

Clips = NDArray[np.int64]


class Draws:
    """Clips of a folder, from which a start and what is held apart are drawn."""

    def __init__(self, data: TrainingSet, probe: Probe, mode: str, unit: str) -> None:
        self.data, self.probe, self.mode, self.unit = data, probe, mode, unit
        self.recipe = probe.settled()

    def course(self, seed: int, way: str, repeat: int = 0) -> list[float]:
        """AUC of the highest segment on sources held apart, at the start and after each round."""
        pool, held = self._split(seed)
        labelled = self._start(pool, np.random.default_rng(seed))
        rng = np.random.default_rng([seed, 1 + repeat])
        found = []
        for number in range(ROUNDS + 1):
            known = np.sort(np.array(labelled))
            layer = choose_layer(self.data, known, recipe=self.recipe)
            fitted = fit_mode(
                self.data, known, mode=self.mode, layer=layer, scorer=self.recipe.scorer
            )
            scores = self._scores(fitted, layer, np.arange(len(self.data)))
            found.append(roc_auc(self.data.labels[held], scores[held]))
            if number < ROUNDS:
                left = np.setdiff1d(pool, known)
                labelled += self._chosen(way, left, known, scores, layer, rng)
        return found

    def _split(self, seed: int) -> tuple[Clips, Clips]:
        labels = self.data.labels
        for pool, held in grouped_folds(labels, self.data.sources, folds=PARTS, seed=seed):
            if np.bincount(labels[pool], minlength=2).min() > START and len(set(labels[held])) == 2:
                return pool, held
        raise SystemExit("too few clips or sources of a kind")

    def _start(self, pool: Clips, rng: np.random.Generator) -> list[int]:
        """Clips of each kind, of as many sources as there are."""
        drawn: list[int] = []
        for kind in (0, 1):
            seen: set[str] = set()
            first, later = [], []
            for clip in rng.permutation(pool[self.data.labels[pool] == kind]).tolist():
                (later if self.data.sources[clip] in seen else first).append(clip)
                seen.add(self.data.sources[clip])
            drawn += (first + later)[:START]
        return drawn

    def _chosen(
        self,
        way: str,
        left: Clips,
        known: Clips,
        scores: NDArray[np.float64],
        layer: int,
        rng: np.random.Generator,
    ) -> list[int]:
        if way == "at random":
            return rng.permutation(left)[:LABELS_A_ROUND].tolist()
        vectors = self.data.vectors(self.unit, layer).astype(np.float64)
        weight = np.sqrt(np.maximum(0, 1 - np.abs(scores[left] - MIDDLE) / MIDDLE))
        order = most_telling(vectors[left], vectors[known], weight, self.probe.members)
        return [int(left[n]) for _, (n, _) in zip(range(LABELS_A_ROUND), order, strict=False)]

    def _scores(self, fitted: object, layer: int, clips: Clips) -> NDArray[np.float64]:
        smoothing = self.recipe.smoothing
        return detection_scores(self.data, clips, layer=layer, scorer=fitted, smoothing=smoothing)


def read(path: Path, normal: Sequence[str], recipe: str) -> tuple[TrainingSet, Probe]:
    """The clips as a probe of a recipe reads them."""
    clips = read_labelled(path, normal=tuple(normal), split="all").clips
    readings = COMMITTEE_READINGS if recipe == "committee" else ("last",)
    views, _ = extract_views(
        clips,
        backbone=BackboneSpec(name="lite").open(),
        settings=ExtractionSettings(readings=readings),
        cache=StatesCache(states_folder()),
    )
    probe = Probe(recipe=recipe, mode="clip")
    usable = usable_in_all(views)
    examples = probe.joined(usable) if recipe == "committee" else usable[0]
    return training_set_for(examples, probe), probe


def main() -> None:
    """Print the AUC after each round for both ways, and what the proposals gain."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--normal", action="append", default=[])
    parser.add_argument("--recipe", choices=["paper", "committee"], default="paper")
    parser.add_argument("--mode", choices=["clip", "segment_mean", "mil"], default="clip")
    parser.add_argument("--unit", choices=["clip", "segment_mean"], default="clip")
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    asked = parser.parse_args()
    draws = Draws(*read(asked.clips, asked.normal, asked.recipe), asked.mode, asked.unit)
    seeds = range(asked.first, asked.first + asked.draws)
    proposed = np.array([draws.course(s, "proposed") for s in seeds])
    random = np.array(
        [np.mean([draws.course(s, "at random", r) for r in (0, 1)], axis=0) for s in seeds]
    )
    gains = (proposed - random)[:, 1:].mean(axis=1)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    print(f"{asked.clips}, {asked.recipe}, {asked.mode}, chosen by {asked.unit}, {seeds}")
    for name, found in (("proposed", proposed), ("at random", random)):
        print(f"{name:10}", " ".join(f"{value:.3f}" for value in found.mean(axis=0)))
    low, high = gains.mean() - 1.96 * error, gains.mean() + 1.96 * error
    ahead = (gains > 0).mean()
    print(f"proposed minus at random {gains.mean():.3f} [{low:.3f}, {high:.3f}], ahead {ahead:.2f}")


if __name__ == "__main__":
    main()
