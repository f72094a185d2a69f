"""One class for all backbones of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.decoder import (
    apply_norm,
    check_finite,
    check_layers,
    check_readings,
    check_whole,
    cut_at,
    in_turn,
    read_layers,
)
from hiprobe.backbones.decoder_outputs import (
    check_head_layers,
    first_ids,
    head_shape,
    log_probabilities,
    stacked_heads,
    watched_heads,
)
from hiprobe.backbones.hf.family import UNTIMED_GAP_SECONDS, Family, Offsets, Pictures, Wording
from hiprobe.backbones.hf.hardware import memory_errors
from hiprobe.backbones.interface import Speech
from hiprobe.errors import UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.segment import Frame, Segment
from hiprobe.states import Reading

_FEATURES = ("get_image_features", "get_video_features")
"""Methods by which the models of transformers ask their vision tower, in `forward`."""


@contextmanager
def vision_once(model: Any) -> Iterator[None]:
    """Within the block each of `_FEATURES` is computed at its first call and repeated after it.

    All calls in the block must be about the same pictures: nothing is compared.
    """
    patched = [name for name in _FEATURES if callable(getattr(model, name, None))]
    for name in patched:
        setattr(model, name, _remembered(getattr(model, name)))
    try:
        yield
    finally:
        for name in patched:
            delattr(model, name)  # the class's own method shows again


def _remembered(compute: Callable[..., Any]) -> Callable[..., Any]:
    found: list[Any] = []

    @wraps(compute)
    def once(*args: Any, **named: Any) -> Any:
        if not found:
            found.append(compute(*args, **named))
        return found[0]

    return once


@dataclass(frozen=True)
class Prepared:
    """One segment ready for the model: token ids `[length]` and tensors of its frames."""

    ids: tuple[int, ...]
    tensors: Mapping[str, Tensor]

    @property
    def length(self) -> int:
        """Positions of the prompt."""
        return len(self.ids)


@dataclass(frozen=True)
class Preparer:
    """Makes inputs of a family's models, in the words of one tokenizer."""

    family: Family
    wording: Wording

    def look(self, frames: Sequence[Frame], offsets: Offsets | None = None) -> Pictures:
        """Frames made ready, with their times from the start of the stretch where known.

        Raises:
            UsageError: there are no frames, or another number of times.
        """
        known = (
            [UNTIMED_GAP_SECONDS * n for n in range(len(frames))] if offsets is None else offsets
        )
        if not frames or len(known) != len(frames):
            raise UsageError(
                f"{len(frames)} frames and {len(known)} times cannot be shown; give one frame or "
                "more, and one time for each"
            )
        return self.family.read(frames, known)

    def worded(self, pictures: Pictures, prompt: str) -> Prepared:
        """Frames with a question after them."""
        return Prepared(self.wording.ids(pictures.lead + prompt), pictures.tensors)

    def alike(self, segments: Sequence[Segment]) -> Iterator[tuple[slice, list[Pictures]]]:
        """Neighbours that make equally long prompts, with their rows: no padding is ever needed."""
        seen = (self.look(s.frames, s.frame_offsets_seconds) for s in segments)
        first = 0
        for _, group in groupby(list(seen), key=lambda one: one.lead):
            pictures = list(group)
            rows = slice(first, first + len(pictures))
            yield rows, pictures
            first = rows.stop

    def inputs(self, prepared: Sequence[Prepared], model: Any) -> dict[str, Tensor]:
        """Inputs for segments of equal length, on the model's device and in its format."""
        ids = torch.tensor([p.ids for p in prepared], device=model.device)
        made = {"input_ids": ids}
        if self.family.token_types:
            visual = (ids == self.family.visual_token).int()
            made[self.family.token_types] = visual * self.family.token_type
        for name in prepared[0].tensors:
            joined = torch.cat([p.tensors[name] for p in prepared])
            rounds = joined.is_floating_point() and name not in self.family.exact
            made[name] = joined.to(device=model.device, dtype=model.dtype if rounds else None)
        return made


_Forward = Callable[[int, slice, Mapping[str, Tensor]], None]
"""Takes the number of a prompt, rows of segments, and their inputs."""

STRUCTURED_PARAMETERS = 1_000_000_000
"""Decoders from this size on are asked for JSON; smaller ones, as a rule, cannot keep to it."""


class HfBackbone:
    """A frozen model of transformers. Built by `hiprobe.backbones.hf.hf_load.load_hf`."""

    def __init__(
        self,
        *,
        model: Any,
        layer_count: int,
        family: Family,
        wording: Wording,
        name: str,
        weights: str,
        prompt: str,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.family = family
        self.wording = wording
        self.prompt = prompt
        self._preparer = Preparer(family, wording)
        self._layer_count = layer_count
        self._name = name
        self._weights = weights

    @property
    def decoder(self) -> Any:
        """The decoder with `layers` and `norm`."""
        return attrgetter(self.family.decoder)(self.model)

    @property
    def _speaking_layers(self) -> int:
        """Layers below the head; none where it was not loaded."""
        return 0 if isinstance(self.model.lm_head, nn.Identity) else len(self.decoder.layers)

    @property
    def layer_count(self) -> int:
        """L of the whole model, also where it was loaded cut."""
        return self._layer_count

    @property
    def width(self) -> int:
        """Width of a hidden state."""
        return int(self.decoder.config.hidden_size)

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the states besides the video."""
        return Fingerprint(
            model=self._name,
            weights=self._weights,
            dtype=str(self.model.dtype).removeprefix("torch."),
            prompt=self.prompt,
            settings={**self.family.settings, "wording": self.wording.digest()},
        )

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
        """See `hiprobe.backbones.interface.PromptsBackbone`: the vision tower runs once.

        Raises:
            BackboneMemoryError: these segments do not fit into memory together.
        """
        layers = check_layers(
            layers, available=len(self.decoder.layers), layer_count=self.layer_count
        )
        readings = check_readings(readings)
        shape = (len(segments), len(layers), self.width)
        made = [{r: np.zeros(shape, np.float32) for r in readings} for _ in prompts]

        def forward(number: int, rows: slice, inputs: Mapping[str, Tensor]) -> None:
            found = read_layers(
                lambda: self.model.model(**inputs, use_cache=False),
                self.decoder,
                layers=layers,
                readings=readings,
                visual=self.family.is_visual(inputs["input_ids"]),
            )
            for reading, values in found.items():
                made[number][reading][rows] = values

        self._pass(segments, prompts, forward)
        for states in made:
            check_finite(states, dtype=self.fingerprint.dtype)
        return dict(zip(prompts, made, strict=True))

    @property
    @in_turn
    def speech(self) -> Speech:
        """JSON for decoders that are large enough, plain words for the others."""
        size = sum(p.numel() for p in self.decoder.parameters())
        return Speech(structured=size >= STRUCTURED_PARAMETERS)

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
        """
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        prepared = self.prepare(frames, prompt=prompt, frame_seconds=frame_seconds)
        inputs, chosen = self.inputs([prepared]), speech or self.speech
        with memory_errors():
            made = self.model.generate(
                **inputs,
                attention_mask=torch.ones_like(inputs["input_ids"]),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                repetition_penalty=chosen.repetition_penalty,
                no_repeat_ngram_size=chosen.no_repeat_tokens,
            )
        return self.wording.words(made[0, prepared.length :].tolist())

    @in_turn
    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.FinalNorm`."""
        check_whole(available=len(self.decoder.layers), layer_count=self.layer_count)
        return apply_norm(self.decoder.norm, values)

    @in_turn
    @torch.inference_mode()
    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """See `hiprobe.backbones.interface.FirstToken`."""
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        ids = first_ids(words, encode=self.wording.plain_ids)
        found = np.zeros((len(prompts), len(segments), len(ids)))

        def forward(number: int, rows: slice, inputs: Mapping[str, Tensor]) -> None:
            made = self.model(**inputs, use_cache=False, logits_to_keep=1)
            found[number, rows] = log_probabilities(made.logits[:, -1], ids)

        self._pass(segments, prompts, forward)
        return found

    @property
    def head_count(self) -> int:
        """Attention heads of one layer."""
        return head_shape(self.decoder.config)[0]

    @property
    def head_width(self) -> int:
        """Width of what one head gives."""
        return head_shape(self.decoder.config)[1]

    @in_turn
    @torch.inference_mode()
    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.HeadStates`."""
        layers = check_head_layers(layers, available=len(self.decoder.layers))
        shape = (len(prompts), len(segments), len(layers), self.head_count, self.head_width)
        found = np.zeros(shape, np.float32)

        def forward(number: int, rows: slice, inputs: Mapping[str, Tensor]) -> None:
            with (
                cut_at(self.decoder, max(layers)) as decoder,
                watched_heads(decoder, layers) as caught,
            ):
                self.model.model(**inputs, use_cache=False)
            heads = stacked_heads(caught, layers, heads=self.head_count)
            found[number, rows] = heads.cpu().numpy()

        self._pass(segments, prompts, forward)
        return found

    def prepare(
        self, frames: Sequence[Frame], *, prompt: str, frame_seconds: Sequence[float] | None = None
    ) -> Prepared:
        """Frames and a question as the model takes them, on the CPU; times as in `describe`."""
        return self._preparer.worded(self._preparer.look(frames, frame_seconds), prompt)

    def inputs(self, prepared: Sequence[Prepared]) -> dict[str, Tensor]:
        """Inputs of the model for segments of equal length, on its device and in its format."""
        return self._preparer.inputs(prepared, self.model)

    def _pass(self, segments: Sequence[Segment], prompts: Sequence[str], forward: _Forward) -> None:
        """Call `forward` for neighbours that can share a pass, under each prompt.

        The vision tower runs once for all prompts.
        """
        for rows, pictures in self._preparer.alike(segments):
            with vision_once(self.model.model):
                for number, prompt in enumerate(prompts):
                    prepared = [self._preparer.worded(p, prompt) for p in pictures]
                    with memory_errors():
                        forward(number, rows, self.inputs(prepared))
