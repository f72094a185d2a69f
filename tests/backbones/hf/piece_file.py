"""Writes a small SentencePiece file: the fields of its protocol buffer, by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SPACE = "\u2581"


def varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made += bytes([number & 127 | 128])
        number >>= 7
    return made + bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def flag(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def piece(text: str, score: float, kind: int) -> bytes:
    body = field(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score) + flag(3, kind)
    return field(1, body)


def piece_file(words: Sequence[str], *, dummy_prefix: bool, model_type: int = 2) -> bytes:
    """Special pieces, all bytes, then `words` with falling scores, single letters last."""
    made = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3)
    made += b"".join(piece(f"<0x{byte:02X}>", 0, 6) for byte in range(256))
    made += b"".join(piece(word, -float(rank), 1) for rank, word in enumerate(words))
    made += field(2, flag(3, model_type) + flag(35, 1))
    cleaning = field(1, b"identity") + flag(3, int(dummy_prefix)) + flag(4, 0)
    return made + field(3, cleaning)
