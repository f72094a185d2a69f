"""A SentencePiece file (`tokenizer.model`) as a tokenizer, without the package of that name.

The file is a protocol buffer; the few fields needed are read here. Numbers of fields follow the
published sentencepiece_model.proto. Only byte-pair encoding is built, which is what InternLM2,
Llama and Phi-3 use.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers

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
