"""Does a backbone work here? Its weights, its states, its words, its time and memory.

One command tells a user whether a checkpoint was read rightly: complete weights are loaded, a
drawn picture must move the states, and a model that reads pictures names the colours in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.catalogue import stored_shapes
from hiprobe.backbones.cost import count_segment, middle_layer
from hiprobe.backbones.interface import Backbone
from hiprobe.backbones.shape import Shape
from hiprobe.segment import Frame, Segment
from hiprobe.spec import AS_VIDEO

States = NDArray[np.float32]
Level = Literal["ok", "note", "missing"]
PICTURE_PROMPT = "Describe the shapes and colours in this picture."
COLOURS = ("red", "blue")
EDGE_PIXELS = 336
REPEATS = 3


@dataclass(frozen=True)
class Finding:
    """One line of the report; `remedy` says what to do where something is wanting."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def drawn_frames() -> tuple[Frame, ...]:
    """Eight frames, uint8 `[336, 336, 3]`: a red disc moves over white, beside a blue square."""
    rows, columns = np.mgrid[:EDGE_PIXELS, :EDGE_PIXELS]
    return tuple(_frame(rows, columns, 60 + 12 * step) for step in range(8))


def _frame(rows: Any, columns: Any, centre: int) -> Frame:
    picture = np.full((EDGE_PIXELS, EDGE_PIXELS, 3), 255, np.uint8)
    picture[200:300, 200:300] = (20, 40, 220)
    picture[(rows - 100) ** 2 + (columns - centre) ** 2 < 50**2] = (220, 20, 20)
    return picture


def check_backbone(backbone: Backbone, *, folder: Path | None) -> Iterator[Finding]:
    """All checks of an open, whole backbone, one after the other, as they are done.

    That it could be opened is the first of them: left-over and missing tensors refuse to load.

    Args:
        backbone: loaded whole.
        folder: where it was loaded from; None where that is not known: no weights are counted.
    """
    if folder is not None:
        yield _weights(backbone, folder)
    segment = drawn_segment()
    # Against a blank picture, not a missing one: only what is in the frames differs.
    blank = _segment((np.full_like(segment.frames[0], 255),) * len(segment.frames))
    layers = range(backbone.layer_count + 1)
    seen, empty = (backbone.states([s], layers=layers)["last"][0] for s in (segment, blank))
    yield _finite(seen)
    yield _moved(seen, empty)
    yield _words(backbone, segment.frames)
    yield from _times(backbone, segment)
    yield _memory()


def drawn_segment() -> Segment:
    """The drawn frames as one segment of eight seconds."""
    return _segment(drawn_frames())


def _segment(frames: Sequence[Frame]) -> Segment:
    return Segment(
        index=0,
        start_seconds=0.0,
        end_seconds=float(len(frames)),
        start_pts=0,
        end_pts=len(frames),
        time_base_seconds=1.0,
        first_frame=0,
        frame_count=len(frames),
        frames=tuple(frames),
        frame_seconds=tuple(map(float, range(len(frames)))),
    )


def _weights(backbone: Backbone, folder: Path) -> Finding:
    from hiprobe.backbones.hf.weights import weight_files

    files = weight_files(folder)
    size = sum(path.stat().st_size for path in files)
    model = getattr(backbone, "model", None)
    text = (
        f"{len(files)} files, {size / 1e9:.2f} GB, every tensor has its place and none is missing"
    )
    if model is None:
        return Finding("weights", "ok", text)
    count = sum(p.numel() for p in model.parameters())
    text += f"; {count / 1e9:.3f} billion parameters in {backbone.fingerprint.dtype}"
    return Finding("weights", "ok", text)


def _finite(states: States) -> Finding:
    """`states` of one segment, `[layers, width]`; values that are not finite have raised."""
    spread = states.std(axis=1)
    text = (
        f"{len(states) - 1} layers of width {states.shape[1]}, all finite; standard deviation "
        f"{spread[1]:.3g} at layer 1, {spread[-1]:.3g} at the last"
    )
    return Finding("states", "ok", text)


def _moved(seen: States, empty: States) -> Finding:
    """How far the picture moves the last position, against a blank one, at the last layer."""
    length = max(float(np.linalg.norm(seen[-1])), 1e-9)
    difference = float(np.linalg.norm(seen[-1] - empty[-1])) / length
    text = f"the test picture moves the last layer's state by {difference:.1%} against a blank"
    # A model that does not see gives the same state to the last bits; the smallest one that sees
    # moves it by percents.
    if difference < 1e-4:
        remedy = "the model does not see the frames: its preprocessing or vision weights are wrong"
        return Finding("picture", "missing", text, remedy)
    return Finding("picture", "ok", text)


def _words(backbone: Backbone, frames: Sequence[Frame]) -> Finding:
    said = backbone.describe(frames[:1], prompt=PICTURE_PROMPT, max_new_tokens=48)
    line = " ".join(said.split())
    named = [colour for colour in COLOURS if colour in line.lower()]
    text = f"a red disc and a blue square on white: {line!r}"
    if len(named) == len(COLOURS):
        return Finding("caption", "ok", f"{text}; it names the colours: it sees and speaks")
    remedy = (
        "a large model names both colours: if the words make no sense, its weights or prompt are "
        "read wrongly and its states must not be used; a small model may just be weak"
    )
    what = f"only {named[0]} is named" if named else "no colour is named"
    return Finding("caption", "note", f"{text}; {what}", remedy)


def _times(backbone: Backbone, segment: Segment) -> Iterator[Finding]:
    shape = _shape_of(backbone)
    depths = {"to the last layer": backbone.layer_count}
    if backbone.layer_count > 2:
        # The paper's share of the depth, for a backbone whose shape is not known.
        middle = round(20 / 32 * backbone.layer_count) if shape is None else middle_layer(shape)
        depths = {f"to layer {middle}": middle, **depths}
    way = str(backbone.fingerprint.settings.get("frames_as", AS_VIDEO))
    for name, layer in depths.items():
        seconds = seconds_of_segment(backbone, segment, layer=layer)
        text = f"{seconds:.3g} s, {1 / seconds:.3g} segments a second"
        if shape is not None:
            height, width = segment.frames[0].shape[:2]
            flops = count_segment(
                shape, layer=layer, frame_pixels=(height, width), frames_as=way
            ).flops
            text += f"; {flops / 1e12:.2f} TFLOP, {flops / seconds / 1e12:.2f} TFLOP/s"
        yield Finding(f"a segment {name}", "ok", text)


def _shape_of(backbone: Backbone) -> Shape | None:
    """For the operations of a segment; None where they are not counted."""
    from hiprobe.backbones.hf.hf_model import HfBackbone
    from hiprobe.backbones.hf.measured import measured_shape

    if not isinstance(backbone, HfBackbone):
        return stored_shapes().get(backbone.fingerprint.model)
    limits = (backbone.family.settings.get(n) for n in ("least_pixels", "least_video_pixels"))
    frame, video = (None if limit is None else int(limit) for limit in limits)
    return measured_shape(backbone.model, least_pixels=frame, least_video_pixels=video)


def seconds_of_segment(backbone: Backbone, segment: Segment, *, layer: int) -> float:
    """Least time of three passes after one that warms up, preprocessing included."""
    backbone.states([segment], layers=[layer])
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        backbone.states([segment], layers=[layer])  # gives numpy: waits for the device
        times.append(time.perf_counter() - began)
    return min(times)


def _memory() -> Finding:
    import psutil
    import torch

    resident = psutil.Process().memory_info().rss
    text = f"{resident / 1e9:.2f} GB of this process"
    if torch.cuda.is_available():
        text += f"; {torch.cuda.max_memory_allocated() / 1e9:.2f} GB of the GPU at most"
    return Finding("memory", "ok", text)
