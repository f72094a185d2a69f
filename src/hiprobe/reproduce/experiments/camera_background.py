"""Whether states less a camera's own background carry a probe to another camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.joined import COMMITTEE_READINGS, join_examples, members_of
from hiprobe.probe.fitting import usable_in_all
from hiprobe.probe.fold_fits import fit_mode
from hiprobe.probe.parameters import Parameters
from hiprobe.probe.selection import choose_layer, cross_validate
from hiprobe.probe.training_set import roc_auc, training_set
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import CLIP_AUC, Estimate
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.held_out import Moments
from hiprobe.reproduce.request import DataSource, Steps
from hiprobe.states import LabelledStates

_Floats = NDArray[np.float64]
# Vectors of one camera to vectors less its background, float64 `[clips, width]` both.
Change = Callable[[_Floats], _Floats]

SHRINKAGES = (0.5, 0.9)
FOUND, FALSE = "share found at T", "share of false alarms at T"
PROTOCOL = (
    "fitted on all clips of {first}, one vector a clip, T from their held-out scores; half of the "
    "sources of {second} give normal clips as background, the clips of the other half are tested; "
    "{count} such halves, whose values the seeds are"
)
NOTE = (
    "The background of the set that is fitted on is the mean of its normal clips. A mean that is "
    "taken off all clips of a camera moves all scores of a linear probe by one and the same amount "
    "of log-odds, so it cannot change the AUC, only how many clips lie above T."
)


def run(bench: Bench) -> Findings:
    """Every set fitted on, every other tested, with plain, centred and whitened vectors.

    Raises:
        UsageError: there is one data set only.
    """
    if len(bench.request.data) < 2:
        raise UsageError("background carries a probe from one set to another: give --data twice")
    views = {d.name: _views(bench, d) for d in bench.request.data}
    pairs = list(permutations(bench.request.data, 2))
    steps = Steps(bench.say, "background", len(pairs))
    rows: list[ResultRow] = []
    for first, second in pairs:
        rows += _carried(bench, first, second, views)
        steps.step(f"{first.name} to {second.name}")
    return Findings(rows=tuple(rows), notes=(NOTE,))


def _views(bench: Bench, data: DataSource) -> list[list[LabelledStates]]:
    return usable_in_all(bench.extraction.views(data, COMMITTEE_READINGS))


@dataclass(frozen=True)
class Carried:
    """Clips of two sets as vectors of the same kind.

    Attributes:
        name: what is read.
        known, other: clips with one vector each, of the set fitted on and of the other.
        parameters: of the probe.
    """

    name: str
    known: Sequence[LabelledStates]
    other: Sequence[LabelledStates]
    parameters: Parameters


def _carried(
    bench: Bench,
    first: DataSource,
    second: DataSource,
    views: dict[str, list[list[LabelledStates]]],
) -> Iterator[ResultRow]:
    """Rows of one ordered pair of sets."""
    seeds = bench.request.seeds
    protocol = PROTOCOL.format(first=first.name, second=second.name, count=len(seeds))
    table = bench.table(second, f"{first.name} to {second.name}", protocol)
    for carried in _readings(views[first.name], views[second.name]):
        for change, make in CHANGES.items():
            found = [_tested(carried, make, seed) for seed in seeds]
            for metric, values in zip(
                (CLIP_AUC, FOUND, FALSE), zip(*found, strict=True), strict=True
            ):
                yield table.row(f"{carried.name}, {change}", metric, Estimate.of_seeds(values))


def _readings(
    known: Sequence[Sequence[LabelledStates]], other: Sequence[Sequence[LabelledStates]]
) -> Iterator[Carried]:
    """The paper's layer, the vision baseline, and the committee."""
    last = training_set(known[0])
    layer = choose_layer(last, np.arange(len(last)), recipe=Parameters(mode="clip").settled())
    # `_vector` leaves one layer, which is then layer 1.
    single = Parameters(mode="clip", layer=1)
    own, new = ([_vector(e, layer) for e in clips[0]] for clips in (known, other))
    yield Carried(f"DLSP's layer {layer}", own, new, single)
    vision = COMMITTEE_READINGS.index("vision_change_mean")
    own, new = ([_vector(e, 1) for e in clips[vision]] for clips in (known, other))
    yield Carried("vision change", own, new, single)
    members = members_of([v[0].clip for v in known if v[0].clip is not None])
    own, new = ([_vector(e, 1) for e in join_examples(clips, members)] for clips in (known, other))
    yield Carried("committee", own, new, Parameters(mode="clip", members=members))


def _vector(example: LabelledStates, layer: int) -> LabelledStates:
    """The clip with one layer of its own vector alone."""
    if example.clip is None:
        raise UsageError(f"{example.name} has no states of the whole clip; give the video")
    return _with(example, example.clip.layer(layer)[0])


def _with(example: LabelledStates, vector: NDArray[np.floating]) -> LabelledStates:
    if example.clip is None:
        raise UsageError(f"{example.name} has no states of the whole clip; give the video")
    values = np.asarray(vector, np.float32)[None, None]
    return replace(
        example,
        clip=replace(example.clip, values=values, layers=(1,), layer_count=1, reading="last"),
        segments=None,
    )


def _tested(carried: Carried, make: Callable[[_Floats], Change], seed: int) -> tuple[float, ...]:
    """AUC, share found and share of false alarms on the half that gave no background."""
    values, labels = _arrays(carried.known)
    others, truth = _arrays(carried.other)
    sources = np.array([e.source for e in carried.other])
    drawn = np.random.default_rng(seed).permutation(np.unique(sources))
    # Background and test clips share no source: a camera's own recordings would be too alike.
    seen = np.isin(sources, drawn[: len(drawn) // 2])
    changed = make(values[labels == 0])(values)
    # Only normal clips of the other camera are used: that much a user can film without an event.
    moved = make(others[seen & (truth == 0)])(others[~seen])
    data = training_set([_with(e, v) for e, v in zip(carried.known, changed, strict=True)])
    recipe = carried.parameters.settled()
    threshold = Moments.of(cross_validate(data, recipe).by_mode["clip"]).threshold()
    fitted = fit_mode(data, np.arange(len(data)), mode="clip", layer=1, scorer=recipe.scorer)
    scores, kinds = fitted.probability(moved.astype(np.float32)), truth[~seen]
    above = scores > threshold
    return (
        roc_auc(kinds, scores),
        float(above[kinds == 1].mean()),
        float(above[kinds == 0].mean()),
    )


def _arrays(examples: Sequence[LabelledStates]) -> tuple[_Floats, NDArray[np.int64]]:
    vectors = [e.clip.values[0, 0] for e in examples if e.clip is not None]
    return np.stack(vectors).astype(np.float64), np.array([e.label for e in examples])


def plain(background: _Floats) -> Change:
    """Vectors as they are."""
    return lambda vectors: vectors


def centred(background: _Floats) -> Change:
    """Vectors less the mean of the background."""
    mean = background.mean(axis=0)
    return lambda vectors: vectors - mean


def whitened(background: _Floats, *, shrinkage: float) -> Change:
    """Centred vectors, each direction divided by the background's deviation along it.

    The covariance is shrunk towards a multiple of the identity, as background is scarcer than
    dimensions. It is applied through its few eigenvectors: the full matrix is never made.

    Args:
        background: float64 `[clips, width]`.
        shrinkage: share of the identity, above 0 and at most 1.
    """
    mean = background.mean(axis=0)
    spread, directions = np.linalg.svd(background - mean, full_matrices=False)[1:]
    variances = spread**2 / max(1, len(background) - 1)
    typical = variances.sum() / background.shape[1]
    rest = np.sqrt(shrinkage)
    own = np.sqrt((1 - shrinkage) * variances / typical + shrinkage)

    def change(vectors: _Floats) -> _Floats:
        inside = (vectors - mean) @ directions.T
        # Directions that the background does not span have the variance of the identity's share
        # alone.
        result = (vectors - mean) / rest + (inside * (1 / own - 1 / rest)) @ directions
        return np.asarray(result)

    return change


CHANGES: dict[str, Callable[[_Floats], Change]] = {
    "plain": plain,
    "centred": centred,
    **{f"whitened, shrinkage {s:g}": partial(whitened, shrinkage=s) for s in SHRINKAGES},
}
