"""One class for multimodal models of transformers; what differs lies in `families`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hiprobe.backbones.first_token import first_ids, log_probabilities
from hiprobe.backbones.heads import check_head_layers, head_shape, stacked_heads, watched_heads
from hiprobe.backbones.hf.families import Family, Pictures
from hiprobe.backbones.hf.hardware import memory_errors
from hiprobe.backbones.hf.prompt import Wording, user_text
from hiprobe.backbones.hf.vision_once import vision_once
from hiprobe.backbones.interface import Speech
from hiprobe.backbones.reading import (
    apply_norm,
    check_finite,
    check_layers,
    check_whole,
    cut_at,
    read_positions,
)
from hiprobe.segment import Frame, Segment
from hiprobe.states import Fingerprint, Reading

Keep = Callable[[int, Tensor], None]

STRUCTURED_PARAMETERS = 1_000_000_000
"""Decoders from this size on are asked for JSON; smaller ones, as a rule, cannot keep to it."""


@dataclass(frozen=True)
class Prepared:
    """One segment ready for the model: token ids `[length]` and tensors of its frames."""

    ids: tuple[int, ...]
    tensors: Mapping[str, Tensor]

    @property
    def length(self) -> int:
        """Positions of the prompt."""
        return len(self.ids)


class HfBackbone:
    """A frozen model of transformers. Built by `hiprobe.backbones.hf.load.load_hf`."""

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

    @torch.inference_mode()
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

    @torch.inference_mode()
    def states_by_prompt(
        self,
        segments: Sequence[Segment],
        *,
        prompts: Sequence[str],
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> Mapping[str, Mapping[Reading, NDArray[np.float32]]]:
        """See `hiprobe.backbones.prompted.PromptsBackbone`: the vision tower runs once.

        Raises:
            BackboneMemoryError: these segments do not fit into memory together.
        """
        check_layers(layers, available=len(self.decoder.layers), layer_count=self.layer_count)
        seen = [(len(s.frames), self.family.read(s.frames)) for s in segments]
        rows: dict[str, list[Mapping[Reading, NDArray[np.float32]]]] = {p: [] for p in prompts}
        for _, group in groupby(seen, key=lambda one: (one[0], one[1].blocks)):
            pictures = list(group)
            with vision_once(self.model.model):
                for prompt in prompts:
                    prepared = [self._prepared(p, prompt, frame_count=n) for n, p in pictures]
                    with memory_errors():
                        rows[prompt].append(self._read(prepared, tuple(layers), readings))
        empty = np.zeros((0, len(layers), self.width), np.float32)
        made = {
            prompt: {r: np.concatenate([empty, *(row[r] for row in found)]) for r in readings}
            for prompt, found in rows.items()
        }
        for states in made.values():
            check_finite(states, dtype=self.fingerprint.dtype)
        return made

    @property
    def speech(self) -> Speech:
        """JSON for decoders that are large enough, plain words for the others."""
        size = sum(p.numel() for p in self.decoder.parameters())
        return Speech(structured=size >= STRUCTURED_PARAMETERS)

    @torch.inference_mode()
    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
    ) -> str:
        """The model's own words, decoded greedily.

        Raises:
            BackboneError: the model was loaded cut and cannot speak.
        """
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        inputs, chosen = self.inputs([self.prepare(frames, prompt=prompt)]), speech or self.speech
        with memory_errors():
            made = self.model.generate(
                **inputs,
                attention_mask=torch.ones_like(inputs["input_ids"]),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                repetition_penalty=chosen.repetition_penalty,
                no_repeat_ngram_size=chosen.no_repeat_tokens,
            )
        return self.wording.words(made[0, inputs["input_ids"].shape[1] :].tolist())

    def final_norm(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `hiprobe.backbones.final_norm.FinalNorm`."""
        check_whole(available=len(self.decoder.layers), layer_count=self.layer_count)
        return apply_norm(self.decoder.norm, values)

    @torch.inference_mode()
    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        """See `hiprobe.backbones.interface.FirstToken`."""
        check_whole(available=self._speaking_layers, layer_count=self.layer_count)
        ids = first_ids(words, encode=self.wording.plain_ids)

        def forward(inputs: Mapping[str, Tensor]) -> NDArray[np.float64]:
            made = self.model(**inputs, use_cache=False, logits_to_keep=1)
            return log_probabilities(made.logits[:, -1], ids)

        found = np.zeros((len(prompts), len(segments), len(ids)))
        self._fill(found, segments, prompts, forward)
        return found

    @property
    def head_count(self) -> int:
        """Attention heads of one layer."""
        return head_shape(self.decoder.config)[0]

    @property
    def head_width(self) -> int:
        """Width of what one head gives."""
        return head_shape(self.decoder.config)[1]

    @torch.inference_mode()
    def head_states(
        self, segments: Sequence[Segment], *, layers: Sequence[int], prompts: Sequence[str]
    ) -> NDArray[np.float32]:
        """See `hiprobe.backbones.interface.HeadStates`."""
        check_head_layers(layers, available=len(self.decoder.layers))

        def forward(inputs: Mapping[str, Tensor]) -> NDArray[np.float32]:
            with (
                cut_at(self.decoder, max(layers)) as decoder,
                watched_heads(decoder, layers) as caught,
            ):
                self.model.model(**inputs, use_cache=False)
            heads: NDArray[np.float32] = (
                stacked_heads(caught, layers, heads=self.head_count).cpu().numpy()
            )
            return heads

        shape = (len(prompts), len(segments), len(layers), self.head_count, self.head_width)
        found = np.zeros(shape, np.float32)
        self._fill(found, segments, prompts, forward)
        return found

    def _fill(
        self,
        found: NDArray[Any],
        segments: Sequence[Segment],
        prompts: Sequence[str],
        forward: Callable[[Mapping[str, Tensor]], NDArray[Any]],
    ) -> None:
        """Put what `forward` gives into `found[prompt, segments]`.

        Neighbours of equal size share a pass; the vision tower runs once for all prompts.
        """
        seen = [(len(s.frames), self.family.read(s.frames)) for s in segments]
        first = 0
        for _, group in groupby(seen, key=lambda one: (one[0], one[1].blocks)):
            pictures = list(group)
            rows = slice(first, first + len(pictures))
            with vision_once(self.model.model):
                for number, prompt in enumerate(prompts):
                    prepared = [self._prepared(p, prompt, frame_count=n) for n, p in pictures]
                    with memory_errors():
                        found[number, rows] = forward(self.inputs(prepared))
            first = rows.stop

    def prepare(self, frames: Sequence[Frame], *, prompt: str) -> Prepared:
        """Frames and a question as the model takes them, on the CPU."""
        return self._prepared(self.family.read(frames), prompt, frame_count=len(frames))

    def _prepared(self, pictures: Pictures, prompt: str, *, frame_count: int) -> Prepared:
        text = user_text(pictures.blocks, frame_count=frame_count, prompt=prompt)
        return Prepared(self.wording.ids(text), pictures.tensors)

    def inputs(self, prepared: Sequence[Prepared]) -> dict[str, Tensor]:
        """Inputs of the model for segments of equal length, on its device and in its format."""
        device, dtype = self.model.device, self.model.dtype
        ids = torch.tensor([p.ids for p in prepared], device=device)
        made = {"input_ids": ids}
        if self.family.needs_token_types:
            made[self.family.token_types] = (ids == self.family.visual_token).int()
        for name in prepared[0].tensors:
            joined = torch.cat([p.tensors[name] for p in prepared])
            kind = dtype if joined.is_floating_point() else joined.dtype
            made[name] = joined.to(device=device, dtype=kind)
        return made

    def _read(
        self, group: Sequence[Prepared], layers: tuple[int, ...], readings: Sequence[Reading]
    ) -> dict[Reading, NDArray[np.float32]]:
        inputs = self.inputs(group)
        visual = self.family.is_visual(inputs["input_ids"])
        found: dict[int, dict[Reading, Tensor]] = {}

        def keep(layer: int, hidden: Tensor) -> None:
            found[layer] = {r: read_positions(hidden, r, visual) for r in readings}

        with cut_at(self.decoder, max(1, *layers)) as decoder, ExitStack() as hooks:
            for layer in set(layers):
                hooks.enter_context(_watched(decoder, layer, keep))
            self.model.model(**inputs, use_cache=False)
        return {
            r: torch.stack([found[layer][r] for layer in layers], dim=1).cpu().numpy()
            for r in readings
        }


@contextmanager
def _watched(decoder: Any, layer: int, keep: Keep) -> Iterator[None]:
    """Calls `keep(layer, state)` in passing, so that only what is asked for stays in memory.

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
