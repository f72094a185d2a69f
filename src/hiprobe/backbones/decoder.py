"""What all backbones on a decoder of transformers share: states, words, answers, heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, wraps
from itertools import groupby
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.decoder_outputs import (
    ReadBefore,
    check_finite,
    check_head_layers,
    check_layers,
    check_readings,
    check_whole,
    cut_at,
    first_ids,
    log_probabilities,
    read_layers,
    stacked_heads,
    watched_heads,
)
from hiprobe.backbones.interface import Speech
from hiprobe.backbones.shared_prefix import Before, Keeping, Prompted, ask_in_turn
from hiprobe.errors import BackboneMemoryError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import (
    DECODER_READINGS,
    READINGS,
    VISION_READINGS,
    Reading,
    VisionReading,
)

_Self = TypeVar("_Self")
_P = ParamSpec("_P")
_R = TypeVar("_R")

# of a decoder and not of a backbone: two backbones may share one
_turns: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_making = RLock()


def in_turn(
    method: Callable[Concatenate[_Self, _P], _R],
) -> Callable[Concatenate[_Self, _P], _R]:
    """A method of a `DecoderBackbone` that waits until no other thread is in one of its decoder.

    A thread that has the turn may call further methods.
    """

    @wraps(method)
    def waiting(self: _Self, /, *given: _P.args, **named: _P.kwargs) -> _R:
        with _making:
            turn = _turns.setdefault(self.stack, RLock())  # type: ignore[attr-defined]
        with turn:
            return method(self, *given, **named)

    return waiting


class DecoderBackbone(ABC):
    """A frozen model that is read one forward pass at a time.

    A class of its own says how frames become inputs (`look`, `alike`, `embed`), which model reads
    them, and how words are made.

    Attributes:
        prompt: what the backbone is asked.
        joins_answers: whether neighbouring segments share a pass for first tokens and heads, as
            they do for states.
    """

    prompt: str
    joins_answers = True

    def __init__(self, *, layer_count: int, weights: str, prompt: str) -> None:
        self.prompt = prompt
        self._layer_count = layer_count
        self._weights = weights

    @property
    @abstractmethod
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""

    @property
    @abstractmethod
    def speech(self) -> Speech:
        """How this backbone's words are chosen."""

    @property
    @abstractmethod
    def speaker(self) -> Any:
        """The model with its head: called it gives logits, `.model` is all below the head."""

    @property
    @abstractmethod
    def stack(self) -> Any:
        """The decoder without its head: `layers` and `norm`."""

    @abstractmethod
    def look(self, frames: Sequence[Frame], offsets: Sequence[float] | None) -> Any:
        """Frames made ready for any prompt.

        Args:
            frames: key frames of one segment.
            offsets: when each was taken, in seconds from the start of the stretch; None where that
                is not known.
        """

    @abstractmethod
    def alike(self, look: Any) -> Hashable:
        """What is equal for looks that can share a pass: they make prompts of equal length."""

    @abstractmethod
    def embed(self, looks: Sequence[Any], *, prompt: str) -> tuple[dict[str, Tensor], Tensor]:
        """Inputs of the model for some looks that are alike, and where the visual tokens stand.

        Returns tensors by name, and bool `[looks, positions]`.
        """

    @abstractmethod
    def plain_ids(self, text: str) -> Sequence[int]:
        """Token ids of a bare text, without the marks of a conversation."""

    @abstractmethod
    def said(self, ids: Sequence[int]) -> str:
        """The text of token ids, without the marks of a conversation."""

    @abstractmethod
    def choosing(self, speech: Speech) -> dict[str, Any]:
        """Arguments of `generate` that choose words in this way."""

    @abstractmethod
    def keeping(self) -> Keeping | None:
        """Where the decoder keeps keys and values; None where it cannot look back at them."""

    @abstractmethod
    def from_vision(self, looks: Sequence[Any], seen: Any) -> Mapping[VisionReading, Tensor]:
        """All vision readings of some looks that are alike, float32 `[looks, width]` each.

        Args:
            seen: what `looked_at_once` gave, within its block.
        """

    def looked_at_once(self) -> AbstractContextManager[Any]:
        """Within the block all passes are about the same pictures; gives what `from_vision`
        takes."""
        return nullcontext()

    @property
    def offered_readings(self) -> tuple[Reading, ...]:
        """All that there are: each of these has a vision tower."""
        return READINGS

    @property
    def layer_count(self) -> int:
        """L of the whole model, also where it was loaded cut."""
        return self._layer_count

    @property
    def width(self) -> int:
        """Width of a hidden state."""
        return int(self.stack.config.hidden_size)

    @property
    def head_count(self) -> int:
        """Attention heads of one layer."""
        return int(self.stack.config.num_attention_heads)

    @property
    def head_width(self) -> int:
        """Width of what one head gives."""
        config = self.stack.config
        return int(getattr(config, "head_dim", None) or config.hidden_size // self.head_count)

    @in_turn
    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """See `hiprobe.backbones.interface.Backbone.states`.

        Neighbours with equally long prompts share a pass, so that no padding is ever needed.

        Raises:
            BackboneMemoryError: these segments do not fit into memory together.
        """
        found = self.states_by_prompt(
            segments, prompts=(self.prompt,), layers=layers, readings=readings
        )
        return found[self.prompt]

    @in_turn
    @torch.inference_mode()
    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """See `hiprobe.backbones.interface.PromptsBackbone`: the pictures are looked at once.

        Raises:
            BackboneMemoryError: these segments do not fit into memory together.
        """
        layers = check_layers(
            layers, available=len(self.stack.layers), layer_count=self.layer_count
        )
        readings = check_readings(readings)
        of_decoder = [r for r in DECODER_READINGS if r in readings]
        of_vision = [r for r in VISION_READINGS if r in readings]
        shape = (len(segments), len(layers), self.width)
        made: list[dict[Reading, NDArray[np.float32]]] = [
            {r: np.zeros(shape, np.float32) for r in of_decoder} for _ in prompts
        ]
        pictures: list[Mapping[VisionReading, Tensor]] = []

        def begin(asked: Prompted, length: int) -> ReadBefore:
            return ReadBefore.of(
                lambda: self.speaker.model(**asked.inputs, use_cache=False),
                self.stack,
                layers=layers,
                readings=of_decoder,
                visual=asked.visual[:, :length],
            )

        def forward(asked: Prompted, before: ReadBefore | None) -> None:
            found = read_layers(
                lambda: self.speaker.model(**asked.inputs, use_cache=False),
                self.stack,
                layers=layers,
                readings=of_decoder,
                visual=asked.visual,
                before=before,
            )
            for reading, values in found.items():
                made[asked.number][reading][asked.rows] = values

        def look(looks: Sequence[Any], seen: Any) -> None:
            if of_vision:
                pictures.append(self.from_vision(looks, seen))

        self._pass(segments, prompts if of_decoder else (), begin, forward, after=look)
        for states in made:
            states |= {r: _joined([found[r] for found in pictures]) for r in of_vision}
            check_finite(states, dtype=self.fingerprint.dtype)
        return dict(zip(prompts, made, strict=True))

    @in_turn
    @torch.inference_mode()
    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """The model's own words, decoded greedily.

        Raises:
            BackboneError: the model was loaded cut and cannot speak.
            BackboneMemoryError: it does not fit into memory.
        """
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        inputs, visual = self.embed([self.look(frames, frame_seconds)], prompt=prompt)
        with memory_errors():
            made = self.speaker.generate(
                **inputs,
                attention_mask=torch.ones_like(visual, dtype=torch.long),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                **self.choosing(speech or self.speech),
            )
        # the library repeats the prompt's ids before the answer, but not a prompt of embeddings
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
        return self.said(made[0, asked:].tolist())

    @in_turn
    @torch.inference_mode()
    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """See `hiprobe.backbones.interface.FirstToken`."""
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        ids = first_ids(words, encode=self.plain_ids)
        found = np.zeros((len(prompts), len(segments), len(ids)))

        def begin(asked: Prompted, _: int) -> None:
            self.speaker.model(**asked.inputs, use_cache=False)

        def forward(asked: Prompted, _: None) -> None:
            made = self.speaker(**asked.inputs, use_cache=False, logits_to_keep=1)
            found[asked.number, asked.rows] = log_probabilities(made.logits[:, -1], ids)

        self._pass(segments, prompts, begin, forward, together=self.joins_answers)
        return found

    @in_turn
    @torch.inference_mode()
    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.HeadStates`."""
        layers = check_head_layers(layers, available=len(self.stack.layers))
        shape = (len(prompts), len(segments), len(layers), self.head_count, self.head_width)
        found = np.zeros(shape, np.float32)

        def begin(asked: Prompted, _: int) -> None:
            with cut_at(self.stack, max(layers)):
                self.speaker.model(**asked.inputs, use_cache=False)

        def forward(asked: Prompted, _: None) -> None:
            with cut_at(self.stack, max(layers)) as cut, watched_heads(cut, layers) as caught:
                self.speaker.model(**asked.inputs, use_cache=False)
            heads = stacked_heads(caught, layers, heads=self.head_count)
            found[asked.number, asked.rows] = heads.cpu().numpy()

        self._pass(segments, prompts, begin, forward, together=self.joins_answers)
        return found

    @in_turn
    @torch.inference_mode()
    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.FinalNorm`; computed in the norm's own format."""
        check_whole(available=len(self.stack.layers), layer_count=self.layer_count)
        norm = self.stack.norm
        weight = next(norm.parameters())
        states = torch.from_numpy(np.ascontiguousarray(values)).to(weight.device, weight.dtype)
        normed: NDArray[np.float32] = norm(states).float().cpu().numpy()
        return normed

    @property
    def _speaking_layers(self) -> int:
        """Layers below the head; none where it was not loaded."""
        return 0 if isinstance(self.speaker.lm_head, nn.Identity) else len(self.stack.layers)

    def _pass(
        self,
        segments: Sequence[Segment],
        prompts: Sequence[str],
        begin: Callable[[Prompted, int], Before],
        forward: Callable[[Prompted, Before | None], None],
        *,
        after: Callable[[Sequence[Any], Any], None] | None = None,
        together: bool = True,
    ) -> None:
        """Call `forward` under each prompt for all segments.

        Args:
            begin, forward: as `ask_in_turn`.
            after: called last for the looks of a pass, with what `looked_at_once` gave.
            together: neighbours that are alike share a call; else each segment has its own.
        """
        looks = [self.look(s.frames, s.frame_offsets_seconds) for s in segments]
        numbers = range(len(looks))
        for _, group in groupby(numbers, key=lambda i: self.alike(looks[i]) if together else i):
            own = list(group)
            some, rows = [looks[i] for i in own], slice(own[0], own[-1] + 1)
            asked = partial(self._asked, some, rows, prompts)
            with self.looked_at_once() as seen:
                with memory_errors():
                    ask_in_turn(self.stack, prompts, asked, begin, forward, keep=self.keeping)
                if after is not None:
                    with memory_errors():
                        after(some, seen)

    def _asked(
        self, looks: Sequence[Any], rows: slice, prompts: Sequence[str], number: int
    ) -> Prompted:
        return Prompted(number, rows, *self.embed(looks, prompt=prompts[number]))


def _joined(groups: Sequence[Tensor]) -> NDArray[np.float32]:
    """Vectors `[looks, width]` of some passes as states `[segments, 1, width]` of one layer."""
    if not groups:
        return np.zeros((0, 1, 0), np.float32)
    return np.asarray(torch.cat([*groups])[:, None].cpu().numpy(), np.float32)


# what allocators of the CPU and of Apple's GPU say, in a plain RuntimeError
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def memory_errors() -> Iterator[None]:
    """Torch's ways to say that memory ran out, as one typed error.

    Raises:
        BackboneMemoryError: memory ran out inside.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise _memory_error(error) from error
    except MemoryError as error:
        raise _memory_error(error) from error
    except RuntimeError as error:
        if any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise _memory_error(error) from error
        raise


def _memory_error(error: BaseException) -> BackboneMemoryError:
    first = str(error).splitlines()[0] if str(error) else "out of memory"
    return BackboneMemoryError(
        f"the backbone ran out of memory ({first}); take a smaller batch or a smaller model"
    )
