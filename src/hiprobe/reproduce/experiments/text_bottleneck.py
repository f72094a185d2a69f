"""What is lost when pictures become words first: descriptions and pictures, the same LLM."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.evaluation.metrics import Ranking
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.described_frames import (
    EVERY_FRAMES,
    DescribedSet,
    description_files,
    picture_states,
    read_descriptions,
    read_layers,
    text_states,
    videos_of,
)
from hiprobe.reproduce.drawing import Curve, Panel, panels_drawing
from hiprobe.reproduce.estimate import RowMaker
from hiprobe.reproduce.experiment_result import Figure, Findings, ResultRow
from hiprobe.reproduce.frame_probe import ByLayer, Samples, by_layer, probe_layers, probe_words

RULES = {
    "DLSP": "DLSP layer",
    "last": "last layer",
    "oracle": "oracle: best layer on the test folds",
}
WORDS = "TF-IDF of the words, logistic regression (no LLM)"
READING_WORDS = {
    "last": "last position",
    "text_mean": "mean over the text",
    "visual_mean": "mean over the visual tokens",
}
PROTOCOL = (
    "{folds} folds by video, labels of single frames in fitting; one text (or one stretch of "
    "pictures) for every {every} frames, its score held for them; every frame counts; intervals "
    "over videos"
)
NOTE = (
    "Here the probe is fitted on frame labels, unlike elsewhere: the question is what the states "
    "hold, not how few labels do. The descriptions were written by a far larger frozen VLM than "
    "the decoder that reads them, so they carry what that model saw."
)


def run(bench: Bench) -> Findings:
    """Every described set among the data; pictures where the videos are there too.

    Raises:
        UsageError: no folder of descriptions is among the data.
    """
    files = [f for d in bench.request.data for f in description_files(d.path)]
    if not files:
        raise UsageError(
            "no folder with *_frame_descriptions.jsonl.gz among --data; give one, and the videos' "
            "manifest for comparing with pictures"
        )
    rows: list[ResultRow] = []
    panels: list[Panel] = []
    words: dict[str, str] = {}
    for file in files:
        one = _One(bench, read_descriptions(file))
        rows += one.rows()
        panels.append(one.panel())
        words[one.described.name] = one.words()
    figure = Figure(
        name="text-bottleneck",
        caption=(
            "Frame AUC by layer for states of the descriptions and, where the videos are at hand, "
            "of the pictures, read by the same LLM. Folds by video, mean over seeds. The level "
            "line is TF-IDF of the words."
        ),
        draw=panels_drawing(tuple(panels), columns=3),
        inches=(4.2 * len(panels), 3.6),
    )
    all_words = " ".join(f"{name}: {what}." for name, what in words.items())
    named = {d.name: all_words if description_files(d.path) else "" for d in bench.request.data}
    return Findings(rows=tuple(rows), figures=(figure,), notes=(NOTE,), data=named)


class _One:
    """The experiment on one described set."""

    def __init__(self, bench: Bench, described: DescribedSet) -> None:
        self.bench, self.described = bench, described
        videos = described.videos
        self.samples = Samples(
            videos=tuple(v.truth for v in videos),
            owner=np.repeat(np.arange(len(videos)), [len(v.texts) for v in videos]),
            labels=np.concatenate([v.labels for v in videos]),
            every_frames=EVERY_FRAMES,
        )
        self.layers = read_layers(bench.extraction.backbone.layer_count)
        self.probed = self._probed()
        self.plain = [np.array(self._probe_words(seed)) for seed in bench.request.seeds]

    def words(self) -> str:
        """What the set is."""
        texts = sum(len(v.texts) for v in self.described.videos)
        return (
            f"{len(self.described.videos)} test videos, {texts} of "
            f"{sum(v.truth.frames for v in self.described.videos)} descriptions read"
        )

    def rows(self) -> list[ResultRow]:
        """The words alone, then each view and reading under each rule."""
        request = self.bench.request
        protocol = PROTOCOL.format(folds=request.folds, every=EVERY_FRAMES)
        table = RowMaker(self.described.name, "", protocol, request.seeds, request.draws)
        # first what needs no language model at all: states that are no better hold no more than the
        # words
        scored = {WORDS: self.plain}
        for name, seeds in self.probed.items():
            for rule, rule_words in RULES.items():
                scored[f"{name}, {rule_words}"] = [s.rule(rule, self.samples.labels) for s in seeds]
        rows: list[ResultRow] = []
        for setting, scores in scored.items():
            # Every frame counts, not every text: a long event is then worth more than a short one,
            # as elsewhere.
            units = [self.samples.units(s) for s in scores]
            rows += table.by_frame(setting, units, [u.frames for u in units])
        return rows

    def panel(self) -> Panel:
        """Frame AUC by layer, mean over seeds."""
        curves = []
        for name, seeds in self.probed.items():
            values = [self._mean_auc([s.scores[n] for s in seeds]) for n in self.layers]
            curves.append(Curve(name, [float(n) for n in self.layers], values))
        # it reads no layer, so it is a level line
        level = self._mean_auc(self.plain)
        ends = (float(self.layers[0]), float(self.layers[-1]))
        curves.append(Curve("TF-IDF of the words", ends, (level, level)))
        return Panel(self.described.name, "layer", "frame AUC", tuple(curves))

    def _mean_auc(self, seeds: Sequence[NDArray[np.float64]]) -> float:
        frames = [self.samples.units(scores).frames for scores in seeds]
        return float(np.mean([Ranking.of(f).auc_and_precision()[0] for f in frames]))

    def _probed(self) -> dict[str, list[ByLayer]]:
        """Held-out scores of each seed, by what was read and where."""
        made = {
            f"text, {READING_WORDS[reading]}": values
            for reading, values in text_states(self.bench, self.described, self.layers).items()
        }
        rows = videos_of(self.bench.request.data, self.described)
        for view in (
            picture_states(self.bench, self.described, rows, self.layers, every_frames=EVERY_FRAMES)
            if rows is not None
            else ()
        ):
            made |= {f"{view.view}, {READING_WORDS[r]}": own for r, own in view.values.items()}
        found = {}
        for name, values in made.items():
            # of the values themselves: texts and pictures come by ways that no fingerprint covers
            # alike
            digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]
            seeds = self.bench.request.seeds
            found[name] = [self._probe_seed(values, name, digest, seed) for seed in seeds]
        return found

    def _probe_seed(
        self, values: NDArray[np.float32], name: str, digest: str, seed: int
    ) -> ByLayer:
        folds = self.bench.request.folds
        key = {"what": name, "set": self.described.name, "states": digest, "seed": seed,
               "folds": folds, "layers": list(self.layers), "every": EVERY_FRAMES}  # fmt: skip

        def compute() -> dict[str, Any]:
            self.bench.say(f"{self.described.name}: {name}, seed {seed}")
            return probe_layers(values, self.samples, self.layers, folds=folds, seed=seed)

        found = self.bench.finished.piece(key, compute)
        return by_layer(found, self.samples, folds=folds, seed=seed)

    def _probe_words(self, seed: int) -> list[float]:
        folds = self.bench.request.folds
        texts = [t for v in self.described.videos for t in v.texts]
        key = {"what": WORDS, "set": self.described.name, "seed": seed, "folds": folds,
               "every": EVERY_FRAMES}  # fmt: skip
        return self.bench.finished.piece(
            key, lambda: probe_words(texts, self.samples, folds=folds, seed=seed)
        )
