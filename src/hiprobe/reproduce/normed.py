"""States as a variant reads them: the last layer before the final norm, or after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.fits import Variant
from hiprobe.states import LabelledStates, States


def examples_as_read(
    bench: Bench, examples: Sequence[LabelledStates], variant: Variant
) -> tuple[LabelledStates, ...]:
    """The examples, with the final norm on the last layer where the variant asks for it."""
    if not variant.normed:
        return tuple(examples)
    return tuple(
        replace(
            e,
            clip=None if e.clip is None else states_as_read(bench, e.clip, variant),
            segments=None if e.segments is None else states_as_read(bench, e.segments, variant),
        )
        for e in examples
    )


def states_as_read(bench: Bench, states: States, variant: Variant) -> States:
    """The same for states; failed segments stay as they are."""
    if not variant.normed:
        return states
    values = states.values.copy()
    last = states.layers.index(states.layer_count)
    alive = ~states.failed
    values[alive, last] = bench.extraction.final_norm(values[alive, last])
    return replace(states, values=values)
