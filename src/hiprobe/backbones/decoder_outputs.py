"""What is read off a decoder in passing: layers, attention heads, first answer tokens, texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.interface import TEXT_READINGS, TextReading
from hiprobe.errors import BackboneError, StatesError, UsageError
from hiprobe.states import READINGS, DecoderReading, Reading, VisionReading, layer_numbers

_T = TypeVar("_T")


def read_layers(
    run: Callable[[], object],
    decoder: Any,
    *,
    layers: Sequence[int],
    readings: Sequence[DecoderReading],
    visual: Tensor,
    before: ReadBefore | None = None,
) -> dict[DecoderReading, NDArray[np.float32]]:
    """Readings `[segments, layers, width]` of the decoder, run no deeper than it is read.

    Args:
        run: a pass of the model that the decoder belongs to.
        layers: 0 for what the first layer takes.
        visual: bool `[segments, positions]`, true where a visual token stands.
        before: what was read of the first positions, where `run` is about those behind them.
    """
    own = readings if before is None else [r for r in readings if r in _OF_THE_END]

    def read(hidden: Tensor) -> Mapping[DecoderReading, Tensor]:
        return {r: read_positions(hidden, r, visual) for r in own}

    found = caught_layers(run, decoder, layers=layers, read=read)
    if before is not None:
        share = before.length / visual.shape[1]
        found = {layer: before.and_then(layer, made, share) for layer, made in found.items()}
    return {
        r: torch.stack([found[layer][r] for layer in layers], dim=1).cpu().numpy() for r in readings
    }


# Readings that positions behind the last visual one have a part in.
_OF_THE_END = ("last", "prompt_mean")


@dataclass(frozen=True)
class ReadBefore:
    """What was read of the first positions, which hold all visual ones.

    Attributes:
        length: so many positions.
        layers: layer -> reading -> float32 `[segments, width]`; `prompt_mean` is over these
            positions.
    """

    length: int
    layers: Mapping[int, Mapping[DecoderReading, Tensor]]

    @classmethod
    def of(
        cls,
        run: Callable[[], object],
        decoder: Any,
        *,
        layers: Sequence[int],
        readings: Sequence[DecoderReading],
        visual: Tensor,
    ) -> ReadBefore:
        """By a pass over these positions; `visual` is of them alone, else as `read_layers`."""
        own = [r for r in readings if r != "last"]

        def read(hidden: Tensor) -> Mapping[DecoderReading, Tensor]:
            return {r: read_positions(hidden, r, visual) for r in own}

        return cls(visual.shape[1], caught_layers(run, decoder, layers=layers, read=read))

    def and_then(
        self, layer: int, behind: Mapping[DecoderReading, Tensor], share: float
    ) -> dict[DecoderReading, Tensor]:
        """A layer's readings of all positions, `share` of which are these."""
        found = {**self.layers[layer], **behind}
        if "prompt_mean" in behind:
            mean = self.layers[layer]["prompt_mean"]
            found["prompt_mean"] = mean * share + behind["prompt_mean"] * (1 - share)
        return found


def caught_layers(
    run: Callable[[], object],
    decoder: Any,
    *,
    layers: Sequence[int],
    read: Callable[[Tensor], _T],
) -> dict[int, _T]:
    """Layer -> what `read` makes of its states `[segments, positions, width]`.

    The decoder is run no deeper than the highest layer. What is not asked for is not kept.

    Args:
        run: a pass of the model that the decoder belongs to.
        layers: 0 for what the first layer takes.
        read: takes the states in the model's own format, before the final norm.
    """
    found: dict[int, _T] = {}

    def keep(layer: int, hidden: Tensor) -> None:
        found[layer] = read(hidden)

    with cut_at(decoder, max(1, *layers)) as cut, ExitStack() as hooks:
        for layer in set(layers):
            hooks.enter_context(_watched(cut, layer, keep))
        run()
    return found


@contextmanager
def _watched(decoder: Any, layer: int, keep: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Calls `keep(layer, state)` in passing.

    Layer 0 is what the first layer takes, l what layer l itself gives: what Qwen3-VL adds to the
    visual positions after its first layers counts as input of the next one, as in the library's
    own hidden states.
    """

    def before(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        keep(layer, args[0] if args else named["hidden_states"])

    def after(_: nn.Module, __: tuple[Any, ...], made: Any) -> None:
        keep(layer, made[0] if isinstance(made, tuple) else made)

    if layer == 0:
        handle = decoder.layers[0].register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = decoder.layers[layer - 1].register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def cut_at(decoder: Any, layer: int) -> Iterator[Any]:
    """The decoder (with `layers` and `norm`) cut above `layer`, without the final norm."""
    layers, norm = decoder.layers, decoder.norm
    decoder.layers, decoder.norm = layers[:layer], nn.Identity()
    try:
        yield decoder
    finally:
        decoder.layers, decoder.norm = layers, norm


def check_layers(layers: Sequence[int], *, available: int, layer_count: int) -> tuple[int, ...]:
    """The layers asked for; refuses those that are not loaded.

    Raises:
        StatesError: none is asked for, or one is not within 0..available.
        UsageError: they are no list of numbers.
    """
    asked = layer_numbers(layers)
    if not asked or min(asked) < 0 or max(asked) > available:
        raise StatesError(
            f"layers {asked} are not within 0..{available}, what is loaded of {layer_count} layers"
        )
    return asked


def check_readings(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """The readings asked for.

    Raises:
        UsageError: a name alone, or one that is none of `READINGS`.
    """
    if isinstance(readings, str):
        raise UsageError(
            f"readings={readings!r} is one name, not a list; for one reading give "
            f"readings=[{readings!r}]"
        )
    asked = tuple(readings)
    unknown = [name for name in asked if name not in READINGS]
    if unknown:
        raise UsageError(f"readings {unknown} are unknown; choose of {', '.join(READINGS)}")
    return asked


def check_whole(*, available: int, layer_count: int) -> None:
    """Refuse to let a cut decoder speak.

    Raises:
        BackboneError: fewer layers are loaded than the model has.
    """
    if available < layer_count:
        raise BackboneError("this backbone was loaded cut at a layer; load it whole to describe")


def check_finite(states: Mapping[Reading, NDArray[np.float32]], *, dtype: str) -> None:
    """Refuse states that are not finite.

    Raises:
        StatesError: a value is NaN or infinite.
    """
    if not all(np.isfinite(values).all() for values in states.values()):
        raise StatesError(
            f"the backbone gave states that are not finite in {dtype}; the frames or weights are "
            "damaged, or the format overflows: use float32 or bfloat16"
        )


def read_positions(hidden: Tensor, reading: DecoderReading, visual: Tensor) -> Tensor:
    """One reading of states `[segments, positions, width]` as float32 `[segments, width]`.

    `visual` is bool `[segments, positions]`, true where a visual token stands.
    """
    if reading == "last":
        return hidden[:, -1].float()
    if reading == "prompt_mean":
        return hidden.float().mean(dim=1)
    if reading == "last_visual":
        return torch.stack([h[v][-1].float() for h, v in zip(hidden, visual, strict=True)])
    return torch.stack([h[v].float().mean(dim=0) for h, v in zip(hidden, visual, strict=True)])


def vision_readings(frames: Tensor, changes: Tensor) -> dict[VisionReading, Tensor]:
    """The readings `[width]` of one segment from what its frames and their changes give.

    Args:
        frames: `[frames, width]`, one vector a frame.
        changes: `[frames - 1, width of changes]`, one from each frame to the next. Without any,
            nothing changes: zeros.
    """
    changes = changes.float() if len(changes) else changes.new_zeros(1, changes.shape[1]).float()
    return {
        "vision_mean": frames.float().mean(dim=0),
        "vision_change_mean": changes.mean(dim=0),
        "vision_change_max": changes.amax(dim=0),
    }


@contextmanager
def watched_heads(decoder: Any, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Fills a dictionary in passing: layer -> what its heads give at the last position.

    The values are `[batch, heads * head width]`, the input of `self_attn.o_proj`.
    """
    found: dict[int, Tensor] = {}

    def watch(layer: int) -> Any:
        def before(_: nn.Module, given: tuple[Any, ...]) -> None:
            found[layer] = given[0][:, -1].float()

        return decoder.layers[layer - 1].self_attn.o_proj.register_forward_pre_hook(before)

    with ExitStack() as hooks:
        for layer in set(layers):
            hooks.callback(watch(layer).remove)
        yield found


def stacked_heads(found: dict[int, Tensor], layers: Sequence[int], *, heads: int) -> Tensor:
    """`[batch, layers, heads, head width]` from what was caught.

    Raises:
        StatesError: a value is not finite.
    """
    rows = torch.stack([found[layer] for layer in layers], dim=1)
    if not bool(torch.isfinite(rows).all()):
        raise StatesError(
            "an attention head gave values that are not finite; the frames or weights are "
            "damaged, or the format overflows: use float32 or bfloat16"
        )
    return rows.reshape(*rows.shape[:-1], heads, -1)


def check_head_layers(layers: Sequence[int], *, available: int) -> tuple[int, ...]:
    """The layers asked for; refuses those without heads to read.

    Raises:
        StatesError: none is asked for, or one is not within 1..available.
        UsageError: they are no list of numbers.
    """
    asked = layer_numbers(layers)
    if not asked or min(asked) < 1 or max(asked) > available:
        raise StatesError(
            f"attention heads of layers {asked} cannot be read; there are layers 1..{available}"
        )
    return asked


Ids = tuple[tuple[int, ...], ...]


def first_ids(words: Sequence[Sequence[str]], *, encode: Callable[[str], Sequence[int]]) -> Ids:
    """The first tokens of each word's spellings, each token once.

    Raises:
        BackboneError: two words begin with the same token, or a word gives no token.
    """
    found = tuple(tuple(dict.fromkeys(_first(s, encode) for s in group)) for group in words)
    together = [token for group in found for token in group]
    if len(set(together)) < len(together) or not all(found):
        raise BackboneError(
            f"the words {[list(group) for group in words]} cannot be told apart by their first "
            "tokens in this model's vocabulary; choose other words"
        )
    return found


def log_probabilities(logits: Tensor, ids: Ids) -> NDArray[np.float64]:
    """Log-probability of each group of tokens, float64 `[n, groups]`, from logits `[n, tokens]`."""
    logs = torch.log_softmax(logits.double(), dim=-1)
    columns = [torch.logsumexp(logs[:, list(group)], dim=-1) for group in ids]
    return np.asarray(torch.stack(columns, dim=1).cpu().numpy(), dtype=np.float64)


def _first(spelling: str, encode: Callable[[str], Sequence[int]]) -> int:
    ids = encode(spelling)
    if not len(ids):
        raise BackboneError(f"the spelling {spelling!r} gives no token; choose another")
    return int(ids[0])


# Texts in one pass, for which the decoder's weights are read from memory once.
TOGETHER = 4

_Pieces = tuple[Sequence[int], Sequence[int], Sequence[int]]


def read_texts(
    decoder: Any,
    pieces: Sequence[_Pieces],
    *,
    layers: Sequence[int],
    layer_count: int,
) -> dict[TextReading, NDArray[np.float32]]:
    """Run a decoder over token ids, `TOGETHER` texts of about one length at a time.

    Shorter ones are filled up behind their end. Attention looks back only, so what stands there
    moves none of their states.

    Args:
        decoder: with `layers` and `norm`; takes `input_ids`.
        pieces: of each text: ids before it, of the text, and after it.

    Raises:
        StatesError: as `TextsBackbone.text_states`.
    """
    layers = check_layers(layers, available=len(decoder.layers), layer_count=layer_count)
    if not pieces or not all(len(own) for _, own, _ in pieces):
        raise StatesError("there is no text to read, or one is empty; give each at least a word")
    order = sorted(range(len(pieces)), key=lambda i: sum(map(len, pieces[i])))
    rows: dict[int, dict[TextReading, NDArray[np.float32]]] = {}
    for start in range(0, len(order), TOGETHER):
        some = order[start : start + TOGETHER]
        rows |= zip(some, _read(decoder, [pieces[i] for i in some], layers), strict=True)
    found: dict[TextReading, NDArray[np.float32]] = {
        reading: np.stack([rows[i][reading] for i in range(len(pieces))])
        for reading in TEXT_READINGS
    }
    same = {"last": found["last"], "prompt_mean": found["text_mean"]}
    check_finite(cast("Mapping[Reading, NDArray[np.float32]]", same), dtype="its own precision")
    return found


def _read(
    decoder: Any, pieces: Sequence[_Pieces], layers: Sequence[int]
) -> list[dict[TextReading, NDArray[np.float32]]]:
    rows = [[*before, *own, *after] for before, own, after in pieces]
    longest = max(map(len, rows))
    ids = torch.tensor([row + row[-1:] * (longest - len(row)) for row in rows])
    texts = [slice(len(before), len(before) + len(own)) for before, own, _ in pieces]

    def read(hidden: Tensor) -> list[dict[TextReading, Tensor]]:
        return [
            {"last": states[len(row) - 1], "text_mean": states[text].mean(dim=0)}
            for states, row, text in zip(hidden.float(), rows, texts, strict=True)
        ]

    with torch.inference_mode():
        caught = caught_layers(
            lambda: decoder(input_ids=ids, use_cache=False), decoder, layers=layers, read=read
        )
    return [
        {
            reading: np.stack([caught[layer][place][reading].numpy() for layer in layers])
            for reading in TEXT_READINGS
        }
        for place in range(len(rows))
    ]
