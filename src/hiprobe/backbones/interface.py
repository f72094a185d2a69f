"""What every backbone offers, and the small protocols of what only some can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.prompts import DEFAULT_PROMPT, PRESETS
from hiprobe.segment import Frame, Segment
from hiprobe.states import DECODER_READINGS, Reading

# Default prompt; the paper gives none, this is the wording of its author's later work.
DETECT_PROMPT = PRESETS[DEFAULT_PROMPT]


# Where a layer is read: the last position of the prompt, or a mean over the text's own tokens.
TextReading = Literal["last", "text_mean"]

TEXT_READINGS: tuple[TextReading, ...] = get_args(TextReading)


@dataclass(frozen=True)
class Speech:
    """How a backbone is asked for words, and how they are chosen; always greedily.

    Attributes:
        structured: it can answer in JSON when asked to; small models cannot.
        repetition_penalty: logits of tokens said before are divided by it; 1 changes nothing.
        no_repeat_tokens: no run of so many tokens is said twice; 0 forbids nothing.
    """

    structured: bool = True
    repetition_penalty: float = 1.0
    no_repeat_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.repetition_penalty >= 1.0 or self.no_repeat_tokens < 0:
            raise UsageError(
                f"repetition penalty {self.repetition_penalty} and no-repeat run of "
                f"{self.no_repeat_tokens} tokens: give at least 1 and at least 0"
            )


@runtime_checkable
class Backbone(Protocol):
    """A frozen multimodal LLM that is read, never trained.

    What a call gives does not depend on the calls before it, nor on other threads: on one object
    they take turns.

    Attributes:
        fingerprint: decides whether two sets of states can be compared; the same for a
            backbone loaded whole and one cut at a layer.
        layer_count: L, decoder layers of the whole model.
        width: D, width of a hidden state.
    """

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""
        ...

    @property
    def layer_count(self) -> int:
        """L, decoder layers of the whole model."""
        ...

    @property
    def width(self) -> int:
        """D, width of a hidden state."""
        ...

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[Reading, NDArray[np.float32]]:
        """One forward pass per segment: for each reading float32 `[segments, layers, width]`.

        A vision reading is `[segments, 1, width of its own]` whatever the layers; where no other is
        asked for, the decoder is not run. See `hiprobe.states.VisionReading`.

        Layer 0 is the embedding output, l the output of decoder layer l before the final norm.
        The decoder is run no deeper than the highest layer asked for. Layers come in the order
        asked for; no segments give no rows, `[0, layers, width]`, and `[0, 1, 0]` of a vision
        reading, whose width only pictures tell.

        Raises:
            BackboneMemoryError: these segments do not fit into memory together.
            StatesError: a layer does not exist, or a state is not finite.
            UsageError: `layers` or `readings` is one alone, not a list, or of another kind.
        """
        ...

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """The model's own words about some frames, decoded greedily (deterministic).

        Args:
            speech: how words are chosen, the backbone's own way where None.
            frame_seconds: when the frames were taken, from the start of the stretch they are of;
                for models that are told times. As key frames of 24 at 30 a second where None.

        Raises:
            BackboneError: the decoder was loaded cut and cannot speak.
            BackboneMemoryError: it does not fit into memory.
        """
        ...


@runtime_checkable
class Speaker(Protocol):
    """A backbone that declares how it is asked for words; others get `Speech()`."""

    @property
    def speech(self) -> Speech:
        """What `describe` does unless told otherwise."""
        ...


@runtime_checkable
class OffersReadings(Protocol):
    """A backbone that declares its readings; others are taken to have those of the decoder."""

    @property
    def offered_readings(self) -> tuple[Reading, ...]:
        """What `states` can be asked for."""
        ...


def readings_offered(backbone: Backbone) -> tuple[Reading, ...]:
    """The readings that a backbone gives; not all have a vision tower to read alone."""
    return backbone.offered_readings if isinstance(backbone, OffersReadings) else DECODER_READINGS


@runtime_checkable
class FirstToken(Protocol):
    """A backbone that can be asked how likely its answer begins with some words."""

    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """Natural log-probability that an answer begins with a word.

        Args:
            prompts: asked in place of the backbone's own, over the same look at the pictures.
            words: for each word its spellings ("Yes", "yes"); what counts is the first token of
                each spelling, and a token that several spellings share counts once.

        Returns:
            float64 `[prompts, segments, words]`.

        Raises:
            BackboneError: loaded cut, or two words begin with the same token.
        """
        ...


@runtime_checkable
class HeadStates(Protocol):
    """A backbone whose attention heads can be read one by one."""

    @property
    def head_count(self) -> int:
        """Attention heads of one layer."""
        ...

    @property
    def head_width(self) -> int:
        """Width of what one head gives."""
        ...

    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """What each head gives at the last position, before the output projection mixes them.

        Args:
            layers: from 1, in any order.
            prompts: asked in place of the backbone's own, over the same look at the pictures.

        Returns:
            float32 `[prompts, segments, layers, heads, head width]`.

        Raises:
            StatesError: a layer does not exist or is not loaded, or a value is not finite.
        """
        ...


def speech_of(backbone: Backbone) -> Speech:
    """What a backbone declares about its words."""
    return backbone.speech if isinstance(backbone, Speaker) else Speech()


@runtime_checkable
class TextsBackbone(Protocol):
    """Optional: reads a text where its prompt would hold the pictures."""

    def text_states(
        self, texts: Sequence[str], *, layers: Sequence[int]
    ) -> Mapping[TextReading, NDArray[np.float32]]:
        """For each reading float32 `[texts, layers, width]`, before the final norm.

        Raises:
            StatesError: no text, an empty one, a layer that does not exist, or a state that is
                not finite.
        """
        ...


@runtime_checkable
class PromptsBackbone(Backbone, Protocol):
    """A backbone that reads several prompts over the same pictures, and looks at them once."""

    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """Prompt -> what `states` of a backbone opened with that prompt gives, but for rounding.

        One prompt alone gives the same bits. Of several different ones each gives the same bits
        whichever the others are.
        """
        ...


@runtime_checkable
class FinalNorm(Protocol):
    """States are read before the final norm; this is for comparing both readings of layer L."""

    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """States `[n, width]` of layer L as the language-model head would see them, float32.

        Raises:
            BackboneError: the decoder was loaded cut, without its norm.
        """
        ...
