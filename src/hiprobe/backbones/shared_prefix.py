"""What stands before several prompts over the same pictures, read by the decoder once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

# What decoders take of each position, and the axis of the positions.
_OF_POSITIONS = {"inputs_embeds": 1, "position_ids": -1, "visual_pos_masks": 1}
# What is of visual positions alone, all of which stand in the prefix.
_OF_PICTURES = ("visual_pos_masks", "deepstack_visual_embeds")


class NotSharedError(Exception):
    """This decoder, or this prompt, has to be read from its first position on; never leaves the
    backbone."""


@dataclass(frozen=True)
class Prompted:
    """Some segments that are alike, under one prompt.

    Attributes:
        number: of the prompt.
        rows: of the segments.
        inputs: of the model.
        visual: where their visual tokens stand, bool `[segments, positions]`.
    """

    number: int
    rows: slice
    inputs: Mapping[str, Tensor]
    visual: Tensor


@dataclass(frozen=True)
class Keeping:
    """How a decoder keeps keys and values, from empty ones on.

    Attributes:
        arguments: of a call that looks back at what was kept, and keeps its own positions too.
        lengths: positions that each layer has kept, as far as it was run.
        forget: drops so many positions from the end.
    """

    arguments: Mapping[str, Any]
    lengths: Callable[[], Sequence[int]]
    forget: Callable[[int], None]


# What the pass over the shared positions gave.
Before = TypeVar("Before")

_Forward = Callable[[Prompted, Before | None], None]


def ask_in_turn(
    stack: Any,
    prompts: Sequence[str],
    asked: Callable[[int], Prompted],
    begin: Callable[[Prompted, int], Before],
    forward: _Forward[Before],
    *,
    keep: Callable[[], Keeping | None],
) -> None:
    """Call `forward` under each prompt, over the same pictures.

    Args:
        stack: the decoder.
        asked: what is asked with the prompt of a number.
        begin: called once before prompts that share their first positions, with how many these
            are: passes of the model are about them alone.
        forward: takes what `begin` gave; passes of the model are then about the positions behind.
            None where they are about all positions.
        keep: see `Keeping`; None where the decoder cannot look back.
    """
    other = next((n for n, prompt in enumerate(prompts) if prompt != prompts[0]), None)
    keeping = None if other is None else keep()
    begun = None
    if other is not None and keeping is not None:
        begun = _begun(stack, asked(0), asked(other), begin, keeping)
    for number in range(len(prompts)):
        made = asked(number)
        if begun is None or not _went_on(*begun, made, forward):
            forward(made, None)


def _begun(
    stack: Any,
    first: Prompted,
    other: Prompted,
    begin: Callable[[Prompted, int], Before],
    keeping: Keeping,
) -> tuple[SharedPrefix, Before] | None:
    """What the prompts share, read; None where it is nothing, or cannot be kept."""
    length = shared_length(first.inputs, other.inputs, first.visual)
    if not length:
        return None
    shared = SharedPrefix(stack, keeping, length=length)
    try:
        with shared.alone():
            return shared, begin(first, length)
    except NotSharedError:
        return None


def _went_on(
    shared: SharedPrefix, before: Before, asked: Prompted, forward: _Forward[Before]
) -> bool:
    """Call `forward` about what stands behind the prefix; whether that could be done."""
    try:
        with shared.looked_back_at():
            forward(asked, before)
    except NotSharedError:
        return False
    return True


class SharedPrefix:
    """The first positions of some prompts: read once, and then looked back at.

    Nothing is believed: what the decoder is given for each prompt is compared with what it was
    given for the prefix. The library's models are called as ever; only the decoder in them is
    shown a part of its positions.
    """

    def __init__(self, stack: Any, keeping: Keeping, *, length: int) -> None:
        self._stack, self._keeping, self.length = stack, keeping, length
        self._given: dict[str, Tensor] = {}
        self._turns: list[Tensor] = []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block a pass of the model reads the prefix and nothing behind it.

        Raises:
            NotSharedError: by that pass, where the decoder takes what is not known here, or does
                not keep all that it read.
        """
        with self._instead(self._read_prefix):
            yield

    @contextmanager
    def looked_back_at(self) -> Iterator[None]:
        """Within the block a pass of the model reads what stands behind the prefix.

        Raises:
            NotSharedError: by that pass, where it does not begin with the prefix.
        """
        with self._instead(self._read_rest):
            yield

    @contextmanager
    def _instead(self, read: Callable[[Callable[..., Any], dict[str, Any]], Any]) -> Iterator[None]:
        plain, was_set = self._stack.forward, "forward" in vars(self._stack)

        def forward(*given: Any, **named: Any) -> Any:
            if given:
                raise NotSharedError
            return read(plain, named)

        self._stack.forward = forward
        try:
            yield
        finally:
            if was_set:
                self._stack.forward = plain
            else:
                del self._stack.forward  # the class's own method shows again

    def _read_prefix(self, plain: Callable[..., Any], named: dict[str, Any]) -> Any:
        part = _positions(named, slice(0, self.length))
        made = plain(**{**part, **self._keeping.arguments})
        kept = self._keeping.lengths()[: len(self._stack.layers)]
        if len(kept) < len(self._stack.layers) or set(kept) != {self.length}:
            raise NotSharedError
        self._given, self._turns = _tensors(part), self._frequencies()
        return made

    def _read_rest(self, plain: Callable[..., Any], named: dict[str, Any]) -> Any:
        if not _same(_tensors(_positions(named, slice(0, self.length))), self._given):
            raise NotSharedError
        rest = _positions(named, slice(self.length, None))
        if rest.get("visual_pos_masks") is not None and bool(rest["visual_pos_masks"].any()):
            raise NotSharedError
        rest |= {name: None for name in _OF_PICTURES if name in rest}
        made = plain(**{**rest, **self._keeping.arguments})
        self._keeping.forget(rest["inputs_embeds"].shape[1])
        # Some rotary embeddings turn otherwise once a sequence is long.
        if not _same(dict(enumerate(self._frequencies())), dict(enumerate(self._turns))):
            raise NotSharedError
        return made

    def _frequencies(self) -> list[Tensor]:
        buffers = self._stack.named_buffers()
        return [values.clone() for name, values in buffers if name.endswith("inv_freq")]


def shared_length(inputs: Mapping[str, Tensor], other: Mapping[str, Tensor], visual: Tensor) -> int:
    """How many positions two prompts over the same pictures share, up to the last visual one.

    Not as far as they are the same, so that a prompt's states do not depend on what others it was
    asked with. 0 where it is not the same up to there.

    Args:
        inputs, other: of the model under both prompts.
        visual: bool `[segments, positions]`, where the visual tokens of the first stand.
    """
    shown = visual.any(dim=0).nonzero()
    length = int(shown.max()) + 1 if len(shown) else 0
    name = "input_ids" if "input_ids" in inputs else "inputs_embeds"
    one, another = inputs[name], other[name]
    if min(one.shape[1], another.shape[1]) <= length:
        return 0
    return length if torch.equal(one[:, :length], another[:, :length]) else 0


def _positions(named: Mapping[str, Any], part: slice) -> dict[str, Any]:
    """The arguments of a decoder for some of its positions."""
    found = dict(named)
    for name, value in named.items():
        if isinstance(value, Tensor) and name in _OF_POSITIONS:
            along = [slice(None)] * value.ndim
            along[_OF_POSITIONS[name]] = part
            found[name] = value[tuple(along)]
        elif name not in _OF_PICTURES and not isinstance(value, (bool, int, str, type(None))):
            raise NotSharedError
    if not isinstance(found.get("inputs_embeds"), Tensor):
        raise NotSharedError
    return found


def _tensors(named: Mapping[str, Any]) -> dict[str, Tensor]:
    return {n: value for n, value in named.items() if n in _OF_POSITIONS and value is not None}


def _same(one: Mapping[Any, Tensor], other: Mapping[Any, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)
