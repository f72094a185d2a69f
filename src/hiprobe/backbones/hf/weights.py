"""Weight files of a model folder: found, and checked to be complete."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiprobe.documents.checked import check_schema, open_plain, parse_json, read_json
from hiprobe.documents.schemas import TensorEntry, WeightIndex
from hiprobe.errors import BackboneError

# Of each tensor: one read of the disk, and a thousand numbers or more.
SAMPLE_BYTES = 4096
_LARGEST_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class Tensors:
    """Where one tensor lies: its file, and the bytes `[start, end)` in it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    end: int


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files of a model folder: those of its index, else all there are.

    Raises:
        BackboneError: there is none, or one of the index is missing.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            listed = read_json(index, WeightIndex)["weight_map"].values()
        except (OSError, ValueError) as error:
            raise BackboneError(f"{index} cannot be read: {error}; fetch it again") from error
        if any(len(name) > 255 or "\0" in name for name in listed):
            raise BackboneError(f"{index} names what can be no file; fetch it again")
        files = tuple(folder / name for name in sorted(set(listed)))
    else:
        files = tuple(sorted(folder.glob("*.safetensors")))
    absent = [path.name for path in files if not path.is_file()]
    if absent or not files:
        raise BackboneError(
            f"{folder} lacks weights: {', '.join(absent) or 'no *.safetensors file'}; fetch the "
            "model again, in the safetensors format (others are not read)"
        )
    return files


def weights_digest(folder: Path) -> str:
    """Sixteen hexadecimal digits over all tensors of a folder, the same however they are split.

    Of each tensor its name, type, shape and 4 KiB from its middle count, not all bytes: a
    training step changes nearly every number of a tensor, and 16 GB are not read to tell.

    Raises:
        BackboneError: a file is missing, cut off or no safetensors file.
    """
    total = hashlib.sha256()
    # By name, so that a checkpoint in two files has the digest of the same in ten.
    for tensor in sorted(_tensors(folder), key=lambda t: t.name):
        total.update(f"{tensor.name}\0{tensor.dtype}\0{tensor.shape}\0".encode())
        total.update(_sample(tensor))
    return total.hexdigest()[:16]


def _tensors(folder: Path) -> Iterator[Tensors]:
    for path in weight_files(folder):
        header, offset = _header(path)
        size = path.stat().st_size
        for name, entry in header.items():
            start, end = (offset + int(at) for at in entry["data_offsets"])
            if end > size:
                raise BackboneError(f"{path} is cut off at {size} bytes; fetch it again")
            yield Tensors(name, entry["dtype"], tuple(entry["shape"]), path, start, end)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    try:
        with open_plain(path) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            header = parse_json(file.read(length))
            about = header.pop("__metadata__", {}) if isinstance(header, dict) else {}
            check_schema(about, dict[str, str])
            check_schema(header, dict[str, TensorEntry])
            return header, 8 + length
    except (OSError, ValueError, struct.error) as error:
        raise BackboneError(f"{path} is no safetensors file: {error}; fetch it again") from error


def _sample(tensor: Tensors) -> bytes:
    length = min(SAMPLE_BYTES, tensor.end - tensor.start)
    with tensor.file.open("rb") as file:
        file.seek(tensor.start + (tensor.end - tensor.start - length) // 2)
        return file.read(length)


_DECODER_LAYER = re.compile(r"(?:^|\.)(?:language_model|text_model|model)\.layers\.(\d+)\.")
# Tables that older versions of transformers saved and today's compute: nothing is lost.
_BUFFERS = (".rotary_emb.inv_freq", ".embeddings.position_ids")
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|output)\.")


def check_complete(folder: Path, report: Mapping[str, Any], *, depth: int | None) -> None:
    """Refuse a checkpoint that lacks tensors, or has some that find no place.

    Args:
        report: `missing_keys` and `unexpected_keys`, as transformers tells them.
        depth: decoder layers that were loaded, None for all; what lies above, and the head, may
            be left over then.

    Raises:
        BackboneError: a tensor is missing or left over, the first one named.
    """
    left_over = {name for name in report["unexpected_keys"] if not name.endswith(_BUFFERS)}
    if depth is not None:
        left_over -= set(above(left_over, depth=depth))
    for names, what in ((report["missing_keys"], "are missing"), (left_over, "have no place")):
        if names:
            files = ", ".join(path.name for path in weight_files(folder))
            raise BackboneError(
                f"{len(names)} tensors {what} in {files}, {min(names)} the first; the checkpoint "
                "is damaged or of another model: fetch it again"
            )


def above(names: Iterable[str], *, depth: int) -> Iterable[str]:
    """Names of the tensors that a decoder cut at `depth` layers leaves out."""
    for name in names:
        layer = _DECODER_LAYER.search(name)
        if _HEAD.search(name) or (layer and int(layer[1]) >= depth):
            yield name
