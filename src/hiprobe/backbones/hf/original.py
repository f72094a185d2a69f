"""Checkpoints in the original InternVLChatModel layout, converted when loaded."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, processors
from torch import Tensor
from transformers import (
    AutoConfig,
    InternVLConfig,
    InternVLVisionConfig,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from hiprobe.backbones.hf.family import CHATML
from hiprobe.backbones.hf.weights import weight_files
from hiprobe.documents.checked import read_json
from hiprobe.errors import BackboneError

_PIECE, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXT, _SCORE, _KIND = 1, 2, 3
_MODEL_TYPE, _BPE = 3, 2
_CHARS_MAP, _DUMMY_PREFIX, _REMOVE_SPACES = 2, 3, 4
_NORMAL, _UNKNOWN, _CONTROL, _USER, _BYTE = 1, 2, 3, 4, 6
SPACE = "\u2581"

Fields = Mapping[int, Sequence[bytes | int]]


@dataclass(frozen=True)
class Pieces:
    """What a SentencePiece file says: pieces in the order of their ids, and how text is cleaned."""

    texts: tuple[str, ...]
    scores: tuple[float, ...]
    kinds: tuple[int, ...]
    chars_map: bytes
    dummy_prefix: bool
    remove_spaces: bool


def read_pieces(path: Path) -> Pieces:
    """Read a SentencePiece file.

    Raises:
        BackboneError: it is damaged, or its model is not byte-pair encoding.
    """
    try:
        model = _fields(path.read_bytes())
        pieces = [_fields(_bytes(piece)) for piece in model[_PIECE]]
        trainer = _fields(_bytes(model[_TRAINER][0]))
        cleaning = _fields(_bytes(model.get(_NORMALIZER, (b"",))[0]))
        texts = tuple(_bytes(p[_TEXT][0]).decode("utf-8") for p in pieces)
        scores = tuple(struct.unpack("<f", _bytes(p[_SCORE][0]))[0] for p in pieces)
    except (OSError, KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        raise BackboneError(f"{path} is no SentencePiece file: {error}; fetch it again") from error
    if trainer.get(_MODEL_TYPE, (1,))[0] != _BPE:
        raise BackboneError(f"{path} is no byte-pair encoding; its model is not known here")
    return Pieces(
        texts=texts,
        scores=scores,
        kinds=tuple(int(p.get(_KIND, (_NORMAL,))[0]) for p in pieces),
        chars_map=_bytes(cleaning.get(_CHARS_MAP, (b"",))[0]),
        dummy_prefix=bool(cleaning.get(_DUMMY_PREFIX, (1,))[0]),
        remove_spaces=bool(cleaning.get(_REMOVE_SPACES, (1,))[0]),
    )


def build_tokenizer(pieces: Pieces) -> Tokenizer:
    """The tokenizer of such a file: ids are those of the file, unknown text falls back to bytes."""
    ids = {text: number for number, text in enumerate(pieces.texts)}
    tokenizer = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=list(_merges(pieces, ids)),
            unk_token=_first(pieces, _UNKNOWN),
            fuse_unk=True,
            byte_fallback=_BYTE in pieces.kinds,
        )
    )
    tokenizer.normalizer = _normalizer(pieces)
    strip = [decoders.Strip(" ", left=1)] if pieces.dummy_prefix else []
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    tokenizer.decoder = decoders.Sequence(steps)
    named = [(t, k) for t, k in zip(pieces.texts, pieces.kinds, strict=True)]
    tokenizer.add_special_tokens([t for t, k in named if k in (_CONTROL, _UNKNOWN)])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, k in named if k == _USER])
    return tokenizer


def _normalizer(pieces: Pieces) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if pieces.chars_map:
        steps.append(normalizers.Precompiled(pieces.chars_map))
    if pieces.remove_spaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if pieces.dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])


def _merges(pieces: Pieces, ids: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Pairs in the order in which they are joined: the piece of the highest score first."""
    # SentencePiece stores no merges: a piece was made of two others, and came into being in order
    # of its score.
    normal = [n for n, kind in enumerate(pieces.kinds) if kind == _NORMAL]
    for number in sorted(normal, key=lambda n: -pieces.scores[n]):
        text = pieces.texts[number]
        cuts = ((text[:at], text[at:]) for at in range(1, len(text)))
        pairs = [(left, right) for left, right in cuts if left in ids and right in ids]
        yield from sorted(pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]]))


def _first(pieces: Pieces, kind: int) -> str:
    return pieces.texts[pieces.kinds.index(kind)]


def _bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError(f"a number {value} where text belongs")
    return value


def _fields(data: bytes) -> dict[int, list[bytes | int]]:
    """Fields of one message of a protocol buffer, by number; fixed-width numbers as bytes."""
    found: dict[int, list[bytes | int]] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value: bytes | int
        if key & 7 == 0:
            value, at = _varint(data, at)
        else:
            length, at = (8, at) if key & 7 == 1 else (4, at) if key & 7 == 5 else _varint(data, at)
            if key & 7 not in (1, 2, 5) or at + length > len(data):
                raise ValueError(f"broken at byte {at}")
            value, at = data[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


CONTEXT_TOKEN = "<IMG_CONTEXT>"
_PHI3 = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# By the `template` that an original config names: the conversation's form, and what ends a turn.
# All others are ChatML.
_FORMS = {"phi3-chat": (_PHI3, "<|end|>")}


def chat_form(about: Mapping[str, Any]) -> tuple[str, str]:
    """Chat template and end of a turn of an original config (the parsed config.json)."""
    return _FORMS.get(str(about.get("template")), (CHATML, "<|im_end|>"))


def original_tokenizer(folder: Path, *, end: str = "<|im_end|>") -> Any:
    """The tokenizer of an original folder.

    Args:
        folder: with tokenizer.json, or vocab.json and merges.txt, or tokenizer.model.
        end: the token that ends a turn.

    Raises:
        BackboneError: there is no file that can be read, or its tokens lack the image's.
    """
    if (folder / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"), eos_token=end
        )
    elif (folder / "vocab.json").is_file():
        tokenizer = Qwen2Tokenizer.from_pretrained(folder, local_files_only=True, eos_token=end)
    elif (folder / "tokenizer.model").is_file():
        tokenizer = _from_pieces(folder, end)
    else:
        raise BackboneError(
            f"{folder} has no tokenizer.json, vocab.json or tokenizer.model; fetch it again, whole"
        )
    if tokenizer.convert_tokens_to_ids(CONTEXT_TOKEN) in (None, tokenizer.unk_token_id):
        raise BackboneError(f"the tokenizer in {folder} lacks {CONTEXT_TOKEN}; fetch it again")
    return tokenizer


def _from_pieces(folder: Path, end: str) -> Any:
    settings = _read(folder / "tokenizer_config.json")
    tokenizer = build_tokenizer(read_pieces(folder / "tokenizer.model"))
    _add(tokenizer, _added(folder, settings))
    begin = "<s>" if settings.get("add_bos_token", True) else None
    if begin is not None and tokenizer.token_to_id(begin) is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A",
            pair=f"{begin} $A $B",
            special_tokens=[(begin, tokenizer.token_to_id(begin))],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=begin, eos_token=end, unk_token="<unk>"
    )


def _added(folder: Path, settings: Mapping[str, Any]) -> dict[int, str]:
    """Tokens beyond the file's own, by id; they stand in one of two files."""
    listed = settings.get("added_tokens_decoder")
    if listed:
        return {int(number): str(token["content"]) for number, token in listed.items()}
    return {int(number): text for text, number in _read(folder / "added_tokens.json").items()}


def _add(tokenizer: Tokenizer, tokens: Mapping[int, str]) -> None:
    # In order of their ids: the library numbers new tokens as they come.
    for number, text in sorted(tokens.items()):
        tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False)])
        if tokenizer.token_to_id(text) != number:
            raise BackboneError(
                f"the added token {text} has the id {tokenizer.token_to_id(text)} in place of "
                f"{number}; the tokenizer's files are not of one model: fetch it again"
            )


def _read(path: Path) -> dict[str, Any]:
    return dict(read_json(path, nan=True)) if path.is_file() else {}


ORIGINAL_TYPE = "internvl_chat"
# Decoders of the original checkpoints, and the native ones that they are.
_DECODERS = {"internlm2": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3"}

_VISION = {
    "embeddings.class_embedding": "embeddings.cls_token",
    "embeddings.position_embedding": "embeddings.position_embeddings",
    "embeddings.patch_embedding.": "embeddings.patch_embeddings.projection.",
    "encoder.layers.": "encoder.layer.",
    ".ls1": ".lambda_1",
    ".ls2": ".lambda_2",
    ".norm1.": ".layernorm_before.",
    ".norm2.": ".layernorm_after.",
    ".attn.proj.": ".attention.projection_layer.",
    ".attn.": ".attention.",
}
_HEADS = ("language_model.output.weight", "language_model.lm_head.weight")
_CONNECTOR = {"mlp1.0.": "layer_norm.", "mlp1.1.": "linear_1.", "mlp1.3.": "linear_2."}
_INTERNLM2 = {
    "tok_embeddings.": "embed_tokens.",
    ".attention.wo.": ".self_attn.o_proj.",
    ".attention.": ".self_attn.",
    ".feed_forward.w1.": ".mlp.gate_proj.",
    ".feed_forward.w2.": ".mlp.down_proj.",
    ".feed_forward.w3.": ".mlp.up_proj.",
    ".attention_norm.": ".input_layernorm.",
    ".ffn_norm.": ".post_attention_layernorm.",
}


def native_config(about: Mapping[str, Any], tokenizer: Any) -> InternVLConfig:
    """The native config of an original one (the parsed config.json).

    Raises:
        BackboneError: the decoder or another trait has no native counterpart.
    """
    decoder = dict(about["llm_config"])
    kind = str(decoder.pop("model_type", "internlm2"))
    if kind not in _DECODERS:
        raise BackboneError(
            f"the decoder {kind!r} of this checkpoint is not known here; these are: "
            f"{', '.join(_DECODERS)}"
        )
    if about.get("ps_version", "v2") != "v2":
        raise BackboneError(
            f"pixel shuffle {about['ps_version']!r} of this checkpoint has no native counterpart; "
            "use a later InternVL"
        )
    text = AutoConfig.for_model(_DECODERS[kind], **_plain(decoder))
    return InternVLConfig(
        vision_config=_vision_config(about),
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids(CONTEXT_TOKEN),
        downsample_ratio=about.get("downsample_ratio", 0.5),
        vision_feature_layer=about.get("select_layer", -1),
        tie_word_embeddings=bool(decoder.get("tie_word_embeddings", False)),
    )


def _plain(decoder: Mapping[str, Any]) -> dict[str, Any]:
    dropped = ("architectures", "auto_map", "_name_or_path", "attn_implementation", "torch_dtype")
    kept = {k: v for k, v in decoder.items() if k not in dropped}
    if "bias" in kept:  # InternLM2's name for it
        kept["attention_bias"] = kept.pop("bias")
    scaling = kept.get("rope_scaling")
    if scaling and scaling.get("type") == "su":  # Phi-3's first name for it
        kept["rope_scaling"] = {**scaling, "type": "longrope"}
    return kept


def _vision_config(about: Mapping[str, Any]) -> InternVLVisionConfig:
    vision = about["vision_config"]
    return InternVLVisionConfig(
        hidden_size=vision["hidden_size"],
        num_hidden_layers=vision["num_hidden_layers"],
        num_attention_heads=vision["num_attention_heads"],
        intermediate_size=vision["intermediate_size"],
        attention_bias=vision.get("qkv_bias", True),
        use_qk_norm=vision.get("qk_normalization", False),
        norm_type=vision.get("norm_type", "layer_norm"),
        layer_norm_eps=vision.get("layer_norm_eps", 1e-6),
        hidden_act=vision.get("hidden_act", "gelu"),
        image_size=about.get("force_image_size") or vision["image_size"],
        patch_size=vision["patch_size"],
        use_absolute_position_embeddings=True,
        use_mean_pooling=True,  # no norm after the encoder
    )


def read_original(folder: Path, config: InternVLConfig, *, head: bool = True) -> dict[str, Tensor]:
    """The tensors of an original checkpoint under native names, up to the config's depth.

    Nothing else is read from disk; without `head`, the language-model head is left out too.

    Raises:
        BackboneError: a tensor of the checkpoint has no place in the native model.
    """
    found: dict[str, Tensor] = {}
    for path in weight_files(folder):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                # Skipped by name, before the tensor is read: most of a cut model's file is never
                # touched.
                too_deep = _layer_of(name) >= config.text_config.num_hidden_layers
                if not too_deep and (head or name not in _HEADS):
                    found.update(map_tensor(name, tensors.get_tensor(name), config))
    return found


def _layer_of(name: str) -> int:
    match = re.match(r"language_model\.model\.layers\.(\d+)\.", name)
    return int(match[1]) if match else -1


def map_tensor(name: str, tensor: Tensor, config: InternVLConfig) -> dict[str, Tensor]:
    """One original tensor as one or, where it is fused, three native ones.

    Raises:
        BackboneError: the name is not one of the original layout.
    """
    if name.startswith("vision_model."):
        return dict(_vision(name.removeprefix("vision_model."), tensor))
    if name.startswith("mlp1."):
        return {f"model.multi_modal_projector.{_rename(name, _CONNECTOR)}": tensor}
    if name in _HEADS:
        return {"lm_head.weight": tensor}
    if name.startswith("language_model.model."):
        return dict(_decoder(name.removeprefix("language_model.model."), tensor, config))
    raise BackboneError(
        f"the tensor {name} has no place in the native InternVL; the checkpoint is of another model"
    )


def _vision(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    place = f"model.vision_tower.{_rename(name, _VISION)}"
    if ".qkv." not in place:
        yield place, tensor
        return
    for part, piece in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True):
        yield place.replace(".qkv.", f".{part}."), piece.contiguous()


def _decoder(name: str, tensor: Tensor, config: InternVLConfig) -> Iterator[tuple[str, Tensor]]:
    place = f"model.language_model.{_rename(name, _INTERNLM2)}"
    if ".wqkv." not in place:
        yield place, tensor
        return
    text = config.text_config
    groups, width = text.num_key_value_heads, text.hidden_size // text.num_attention_heads
    # InternLM2 stores queries, keys and values of each group of heads side by side.
    heads = tensor.reshape(groups, -1, width, *tensor.shape[1:])  # [groups, queries + 2, width, ..]
    parts = {"q_proj": heads[:, :-2], "k_proj": heads[:, -2], "v_proj": heads[:, -1]}
    for part, piece in parts.items():
        flat = piece.reshape(-1, *tensor.shape[1:]).contiguous()
        yield place.replace(".wqkv.", f".{part}."), flat


def _rename(name: str, table: Mapping[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name
