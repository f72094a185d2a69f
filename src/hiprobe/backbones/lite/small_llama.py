"""A decoder of Llama's shape in plain torch, for the CPU and float32.

Importing the one of transformers takes longer than reading its weights. Names of tensors and of
modules are the published ones, so that weights, hooks and updates fit both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Keys and values of one layer so far, `[batch, heads, positions, head width]`.
Kept = tuple[Tensor, Tensor]


# What a configuration may ask for besides sizes.
BUILT = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False}


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder, named as in the published configuration."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> DecoderShape:
        """The sizes out of a configuration.

        Raises:
            KeyError, TypeError: a size is missing.
            ValueError: it asks for something that is not built here.
        """
        config = {name: value for name, value in config.items() if value is not None}
        rope = {"rope_theta": config.get("rope_theta", 10_000.0), "rope_type": "default"}
        rope |= config.get("rope_parameters", {})
        asked = {name: config.get(name, built) for name, built in BUILT.items()}
        asked["rope_type"] = rope["rope_type"]
        if asked != BUILT | {"rope_type": "default"}:
            raise ValueError(f"config.json asks for a decoder with {asked}, there is {BUILT}")
        heads = config["num_attention_heads"]
        # what a configuration leaves out has the library's default
        usual = {
            "num_key_value_heads": heads,
            "head_dim": config["hidden_size"] // heads,
            "rms_norm_eps": 1e-6,
        }
        given = {name: config[name] for name in cls.__dataclass_fields__ if name in config}
        return cls(**(usual | given | {"rope_theta": rope["rope_theta"]}))


@dataclass(frozen=True)
class StackOutput:
    """What the layers give, `[batch, positions, width]`.

    Attributes:
        last_hidden_state: after the final norm.
        hidden_states: the embedding and each layer's; the last one after the norm, as in the
            library. None where they were not asked for.
    """

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None


@dataclass(frozen=True)
class HeadOutput:
    """`logits`: `[batch, positions, tokens]`."""

    logits: Tensor


class UnfilledLinear(nn.Linear):
    """A linear layer without bias, whose weights are to be loaded.

    Filling them at random takes seconds; so does the first random fill on torch's meta device,
    which imports sympy.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def reset_parameters(self) -> None:
        """Leave the memory as it is."""


class RootMeanSquareNorm(nn.Module):
    """Zhang and Sennrich 2019."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.variance_epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the root of the mean square, times the weights."""
        # written out: `functional.rms_norm` rounds otherwise than what the states were made with
        normed: Tensor = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * normed


def rotation(shape: DecoderShape, *, start: int, positions: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines `[positions, head width]` (Su et al. 2021)."""
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float)
    frequencies = 1.0 / (shape.rope_theta ** (steps / shape.head_dim))
    angles = torch.arange(start, start + positions).float()[:, None] * frequencies
    both = torch.cat([angles, angles], dim=-1)
    return both.cos(), both.sin()


def _rotated(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * turns[0] + torch.cat([-second, first], dim=-1) * turns[1]


def _looking_back(queries: int, keys: int) -> dict[str, Any]:
    """What lets each of the last `queries` of `keys` positions see those up to its own."""
    if queries in (1, keys):
        return {"is_causal": queries > 1}
    # torch's own way counts from the first key, as if there were none before the queries
    seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    return {"attn_mask": seen}


class Attention(nn.Module):
    """Causal attention in which several heads share keys and values."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.head_dim = shape.head_dim
        inside = shape.num_attention_heads * shape.head_dim
        shared = shape.num_key_value_heads * shape.head_dim
        self.q_proj = UnfilledLinear(shape.hidden_size, inside)
        self.k_proj = UnfilledLinear(shape.hidden_size, shared)
        self.v_proj = UnfilledLinear(shape.hidden_size, shared)
        self.o_proj = UnfilledLinear(inside, shape.hidden_size)

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], past: Kept | None
    ) -> tuple[Tensor, Kept]:
        """What the heads give, and keys and values up to here."""
        query, key, value = (
            project(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = _rotated(query, turns), _rotated(key, turns)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        heads = functional.scaled_dot_product_attention(
            query, key, value, **_looking_back(query.shape[2], key.shape[2]), enable_gqa=True
        )
        return self.o_proj(heads.transpose(1, 2).flatten(2)), (key, value)


class FeedForward(nn.Module):
    """Shazeer 2020: a gate of SiLU."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        width, inside = shape.hidden_size, shape.intermediate_size
        self.gate_proj = UnfilledLinear(width, inside)
        self.up_proj = UnfilledLinear(width, inside)
        self.down_proj = UnfilledLinear(inside, width)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, gate, narrow."""
        made: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return made


class DecoderLayer(nn.Module):
    """Attention, then the feed-forward part, each added to what came in."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = RootMeanSquareNorm(shape.hidden_size, shape.rms_norm_eps)
        self.post_attention_layernorm = RootMeanSquareNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], past: Kept | None
    ) -> tuple[Tensor, Kept]:
        """The states after this layer, and its keys and values."""
        attended, kept = self.self_attn(self.input_layernorm(x), turns, past)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), kept


class DecoderStack(nn.Module):
    """Embedding, layers, final norm."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.config = shape
        table = torch.empty(shape.vocab_size, shape.hidden_size)
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size, _weight=table)
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RootMeanSquareNorm(shape.hidden_size, shape.rms_norm_eps)

    def forward(
        self,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        past: list[Kept] | None = None,
        use_cache: bool = False,
        output_hidden_states: bool = False,
    ) -> StackOutput:
        """Run all layers over token ids or embeddings.

        Args:
            past: keys and values of each layer before these positions, empty before the first;
                brought up to date in place.
            use_cache: refused; `past` is how keys and values are kept.
        """
        if use_cache or (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give token ids or embeddings, and past instead of use_cache")
        x = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        start = past[0][0].shape[2] if past else 0
        turns = rotation(self.config, start=start, positions=x.shape[1])
        every, keep = [x], []
        for number, layer in enumerate(self.layers):
            x, kept = layer(x, turns, past[number] if past else None)
            if past is not None:
                keep.append(kept)
            if output_hidden_states:
                every.append(x)
        if past is not None:
            past[:] = keep
        last = self.norm(x)
        return StackOutput(last, (*every[:-1], last) if output_hidden_states else None)


class SmallLlama(nn.Module):
    """The stack and its head, whose table is the embedding's."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.model = DecoderStack(shape)
        self.lm_head = UnfilledLinear(shape.hidden_size, shape.vocab_size)
        self.tie_weights()

    def tie_weights(self) -> None:
        """Make the head's table the embedding's once more, after that one was replaced."""
        self.lm_head.weight = self.model.embed_tokens.weight

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of token embeddings."""
        return self.model.embed_tokens

    def forward(
        self,
        input_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        past: list[Kept] | None = None,
        use_cache: bool = False,
        logits_to_keep: int = 0,
    ) -> HeadOutput:
        """Logits of the last `logits_to_keep` positions, or of all where that is 0."""
        made = self.model(
            input_ids=input_ids, inputs_embeds=inputs_embeds, past=past, use_cache=use_cache
        )
        return HeadOutput(self.lm_head(made.last_hidden_state[:, -logits_to_keep:]))

    @torch.inference_mode()
    def generate(
        self,
        *,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        max_new_tokens: int,
        eos_token_id: int,
        repetition_penalty: float = 1.0,
        no_repeat_tokens: int = 0,
        do_sample: bool = False,
    ) -> Tensor:
        """New token ids `[1, new]` after one embedded prompt, chosen greedily.

        Args:
            attention_mask: ones; a prompt without padding.
            repetition_penalty: as in `without_repeats`, as is `no_repeat_tokens`.

        Raises:
            ValueError: several prompts, padding, or a choice by chance.
        """
        if do_sample or len(inputs_embeds) != 1 or not bool(attention_mask.all()):
            raise ValueError("one prompt without padding is answered, greedily")
        past: list[Kept] = []
        said: list[int] = []
        logits = self(inputs_embeds=inputs_embeds, past=past, logits_to_keep=1).logits
        while len(said) < max_new_tokens:
            left = without_repeats(
                logits[0, -1], said, penalty=repetition_penalty, length=no_repeat_tokens
            )
            said.append(int(left.argmax()))
            if said[-1] == eos_token_id or len(said) == max_new_tokens:
                break
            last = torch.tensor([said[-1:]])
            logits = self(input_ids=last, past=past, logits_to_keep=1).logits
        return torch.tensor([said], dtype=torch.long)


def without_repeats(logits: Tensor, said: Sequence[int], *, penalty: float, length: int) -> Tensor:
    """Logits `[tokens]` of the next token that make repeating less likely.

    Args:
        said: the tokens so far.
        penalty: divides positive logits of tokens said before, and multiplies negative ones
            (Keskar et al. 2019, section 4.1); 1 leaves them.
        length: so many tokens do not follow each other twice (Paulus et al. 2017, section 2.5);
            0 for no such rule.
    """
    left, again = logits.clone(), sorted(set(said))
    left[again] = torch.where(left[again] < 0, left[again] * penalty, left[again] / penalty)
    if length and len(said) >= length:
        begun = tuple(said[len(said) - length + 1 :])
        runs = zip(*(said[k:] for k in range(length)), strict=False)
        left[[run[-1] for run in runs if run[:-1] == begun]] = -torch.inf
    return left
