"""A vision tower that encodes equal frames once: a still scene costs one frame, not eight.

On the CPU each distinct frame is encoded by itself. Its features then do not depend on what else
is in the batch, bit for bit, and batches of frames are no faster there. On other devices all
distinct frames go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor

Forward = Callable[..., Any]


def encode_distinct_frames(tower: Any) -> None:
    """Let a vision tower encode each distinct frame of a call once; what it returns is the same.

    Known are towers of pixels `[frames, 3, height, width]`, and those of flat patches with a grid
    `grid_thw` (Qwen). A call of another form goes through as it is.
    """
    tower.forward = _once(tower.forward)


def distinct_frames(frames: Sequence[Tensor]) -> tuple[list[int], list[int]]:
    """Numbers of the distinct frames, and for every frame its place among them.

    Equal means equal in every value; sums only tell which ones need comparing.
    """
    sums = torch.stack([f.double().sum() for f in frames]).tolist()
    chosen: list[int] = []
    places: list[int] = []
    for number, frame in enumerate(frames):
        for place, earlier in enumerate(chosen):
            if sums[earlier] == sums[number] and torch.equal(frames[earlier], frame):
                places.append(place)
                break
        else:
            places.append(len(chosen))
            chosen.append(number)
    return chosen, places


def _once(forward: Forward) -> Forward:
    @wraps(forward)
    def encode(*given: Any, **named: Any) -> Any:
        pixels, name = _pixels(given, named)
        if pixels is None:
            return forward(*given, **named)
        if named.get("grid_thw") is not None:
            return _patches(forward, pixels, name, named)
        if pixels.ndim == 4:
            return _squares(forward, pixels, name, named)
        return forward(*given, **named)

    return encode


def _pixels(given: Sequence[Any], named: dict[str, Any]) -> tuple[Tensor | None, str | None]:
    """The tensor of pixels where it is the only positional input, or by its name."""
    if not given:
        return named.get("pixel_values"), "pixel_values"
    return (given[0] if len(given) == 1 and isinstance(given[0], Tensor) else None), None


def _call(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    return forward(**{**named, name: pixels}) if name else forward(pixels, **named)


def _squares(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    chosen, places = distinct_frames(list(pixels))
    groups = _groups(chosen, pixels.device)

    def of(group: list[int]) -> dict[str, Any]:
        """Whatever else comes frame by frame, such as a mask of patches."""
        return {
            key: value[group]
            if isinstance(value, Tensor) and value.ndim and len(value) == len(pixels)
            else value
            for key, value in named.items()
        }

    made = [_call(forward, pixels[group], name, of(group)) for group in groups]
    return _joined(made, [[1] * len(group) for group in groups], places)


def _patches(forward: Forward, pixels: Tensor, name: str | None, named: dict[str, Any]) -> Any:
    # a video's steps in time do not see each other in the tower: each counts as a frame
    grids = torch.repeat_interleave(named["grid_thw"], named["grid_thw"][:, 0], dim=0)
    grids[:, 0] = 1
    counts = grids.prod(dim=1).tolist()
    frames = list(torch.split(pixels, counts))
    chosen, places = distinct_frames(frames)
    groups = _groups(chosen, pixels.device)
    made = [
        _call(forward, torch.cat([frames[i] for i in g]), name, {**named, "grid_thw": grids[g]})
        for g in groups
    ]
    return _joined(made, [[counts[i] for i in group] for group in groups], places)


def _groups(chosen: list[int], device: torch.device) -> list[list[int]]:
    return [[number] for number in chosen] if device.type == "cpu" else [chosen]


def _joined(made: Sequence[Any], shares: Sequence[Sequence[int]], places: Sequence[int]) -> Any:
    """The outputs of all groups as one, its rows put where the frames stood.

    `shares` are each frame's parts of the rows of its group.
    """
    first = made[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        pieces = [p for m, s in zip(made, shares, strict=True) for p in _frames_of(m, s)]
        return torch.cat([pieces[place] for place in places])
    if isinstance(first, dict):  # the library's outputs are ordered dictionaries
        return type(first)(**{k: _joined([m[k] for m in made], shares, places) for k in first})
    return type(first)(_joined(list(part), shares, places) for part in zip(*made, strict=True))


def _frames_of(rows: Tensor, shares: Sequence[int]) -> tuple[Tensor, ...]:
    total = sum(shares)
    parts: tuple[Tensor, ...] = torch.split(rows, [len(rows) * share // total for share in shares])
    return parts
