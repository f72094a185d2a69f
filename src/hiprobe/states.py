"""Hidden states of one video, with their times, layers and reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.errors import StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.large_rows import GrowingRows, row_blocks
from hiprobe.segment import covered_seconds

if TYPE_CHECKING:
    from hiprobe.provenance import Provenance


def layer_numbers(layers: object) -> tuple[int, ...]:
    """Layers as asked for, as plain numbers, in their order.

    Args:
        layers: whole numbers in anything that can be gone through: a list, a range, an array.

    Raises:
        UsageError: one number alone, a text, or something in it that is no whole number.
    """
    if isinstance(layers, int | np.integer) and not isinstance(layers, bool):
        raise UsageError(
            f"layers={layers} is one number, not a list of layers; for one layer give "
            f"layers=[{layers}]"
        )
    if isinstance(layers, str | bytes) or not isinstance(layers, Iterable):
        raise UsageError(f"layers={layers!r} is no list of layers; give numbers, as layers=[20]")
    return tuple(_layer_number(layer) for layer in layers)


def _layer_number(layer: object) -> int:
    if isinstance(layer, bool | np.bool_):  # Python counts with them; a mask is not meant here
        raise UsageError(f"layers hold {layer!r}; give numbers of layers, as layers=[20]")
    try:
        return index(cast("int", layer))
    except TypeError:
        raise UsageError(
            f"layers hold {layer!r}, which is no whole number; give numbers, as layers=[20]"
        ) from None


# Where a layer is read: the last prompt position (the paper), the last visual token, or a mean over
# the visual tokens, or over all prompt tokens.
DecoderReading = Literal["last", "last_visual", "visual_mean", "prompt_mean"]

# What the vision tower alone gives, before the language model: the mean over the key frames, and
# the mean and the maximum of the change from one to the next. Each is one vector of its own width.
VisionReading = Literal["vision_mean", "vision_change_mean", "vision_change_max"]

# Several of the others side by side in one vector, as a committee reads them; see `joined.py`.
JoinedReading = Literal["joined"]

Reading = DecoderReading | VisionReading | JoinedReading

JOINED: JoinedReading = "joined"
DECODER_READINGS: tuple[DecoderReading, ...] = get_args(DecoderReading)
VISION_READINGS: tuple[VisionReading, ...] = get_args(VisionReading)
READINGS: tuple[Reading, ...] = (*DECODER_READINGS, *VISION_READINGS)

# Layers of the states of a vision reading, as if it were read off a model of one layer: what
# chooses among layers then needs to know nothing of vision.
VISION_LAYERS = (1,)


def layers_at(reading: str, layers: Sequence[int]) -> tuple[int, ...]:
    """The layers that states of a reading have, where `layers` of the decoder are asked for."""
    return VISION_LAYERS if reading in (*VISION_READINGS, JOINED) else tuple(layers)


def depth_at(reading: str, layer_count: int) -> int:
    """The `layer_count` of states of a reading, from a backbone with this many decoder layers."""
    return len(VISION_LAYERS) if reading in (*VISION_READINGS, JOINED) else layer_count


@dataclass(frozen=True)
class States:
    """Hidden states of n segments of one video.

    Attributes:
        values: float32 `[segments, layers, width]`, finite except in failed rows, which are zero.
        layers: layer numbers of the second axis, ascending, 0 = embedding output.
        start_seconds, end_seconds: float64 `[segments]`, half-open stretches in time.
        reading: position at which the layers were read.
        fingerprint: the backbone that made them.
        layer_count: L, the number of decoder layers of the whole backbone; 1 for a vision reading.
        failed: bool `[segments]`, True where the backbone gave up (out of memory); such a
            segment has no score, it is never counted as normal or abnormal.
        reused: bool `[segments]`, True where nothing had changed and the state of the segment
            before was taken for this one too (`hiprobe.video.still`); nowhere unless given.

    Raises:
        StatesError: shapes do not fit together, a value is not finite, or the times are not those
            of stretches one after the other.
    """

    values: NDArray[np.float32]
    layers: tuple[int, ...]
    start_seconds: NDArray[np.float64]
    end_seconds: NDArray[np.float64]
    reading: Reading
    fingerprint: Fingerprint
    layer_count: int
    failed: NDArray[np.bool_]
    reused: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        n = len(self.values)
        if not len(self.reused):
            object.__setattr__(self, "reused", np.zeros(n, np.bool_))
        if self.values.ndim != 3 or self.values.shape[1] != len(self.layers):
            raise StatesError(
                f"states have shape {self.values.shape}, expected [segments, "
                f"{len(self.layers)} layers, width]"
            )
        if self.values.dtype != np.float32:
            raise StatesError(f"states are {self.values.dtype}, expected float32")
        if list(self.layers) != sorted(set(self.layers)) or (
            self.layers and not 0 <= self.layers[0] <= self.layers[-1] <= self.layer_count
        ):
            raise StatesError(
                f"layers {self.layers} are not ascending within 0..{self.layer_count}"
            )
        for name in ("start_seconds", "end_seconds", "failed", "reused"):
            if getattr(self, name).shape != (n,):
                raise StatesError(f"{name} has shape {getattr(self, name).shape}, expected ({n},)")
        _check_times(self.start_seconds, self.end_seconds)
        if self.reading not in (*READINGS, JOINED):
            raise StatesError(f"reading {self.reading!r} is unknown; choose one of {READINGS}")
        if self.layers != layers_at(self.reading, self.layers):
            raise StatesError(
                f"states read at {self.reading} have layers {self.layers}, expected "
                f"{VISION_LAYERS}: what a vision tower gives counts as one layer"
            )
        bad = _rows_not_finite(self.values)
        if bad:
            raise StatesError(
                f"states of segments {bad[:5]} are not finite (NaN or infinite); "
                "the backbone overflowed: extract again in float32 or bfloat16"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def width(self) -> int:
        """Width D of one hidden state."""
        return int(self.values.shape[2])

    def layer(self, number: int) -> NDArray[np.float32]:
        """States of one layer, float32 `[segments, width]`.

        Raises:
            StatesError: the layer was not extracted.
        """
        return self.values[:, self._place(number)]

    def _place(self, number: int) -> int:
        if number not in self.layers:
            raise StatesError(
                f"layer {number} is not among the extracted layers {self.layers}; "
                "extract again with that layer"
            )
        return self.layers.index(number)

    def table(self) -> Any:
        """The states as an Arrow table (`pyarrow.Table`); `.to_pandas()` makes a DataFrame of it.

        One row per segment, with the columns `segment`, `start_seconds`, `end_seconds` and, for
        each layer, `layer_20`: a list of `width` float32, null where the backbone gave up on the
        segment. The schema's metadata names the reading, the model and its fingerprint.
        """
        import pyarrow as pa

        columns = {
            "segment": pa.array(range(len(self)), pa.int32()),
            "start_seconds": pa.array(self.start_seconds),
            "end_seconds": pa.array(self.end_seconds),
        }
        for number in self.layers:
            columns[f"layer_{number}"] = pa.FixedSizeListArray.from_arrays(
                pa.array(self.layer(number).ravel()), self.width, mask=pa.array(self.failed)
            )
        about = {
            "reading": self.reading,
            "model": self.fingerprint.model,
            "fingerprint": self.fingerprint.digest,
        }
        return pa.table(columns).replace_schema_metadata(about)

    def select_layers(self, numbers: Sequence[int]) -> States:
        """The same states restricted to some layers; those of a vision reading have no others.

        Raises:
            StatesError: a layer was not extracted.
            UsageError: they are no list of numbers.
        """
        chosen = layers_at(self.reading, sorted(layer_numbers(numbers)))
        if chosen == self.layers:
            return self
        places = [self._place(n) for n in chosen]
        values = GrowingRows((len(chosen), self.width))
        for rows in row_blocks(self.values):
            values.append(self.values[rows][:, places])
        return replace(self, values=values.all(), layers=chosen)

    def select_rows(self, rows: NDArray[np.bool_]) -> States:
        """The same states restricted to some segments, bool `[segments]`."""
        values = GrowingRows(self.values.shape[1:])
        for block in row_blocks(self.values):
            values.append(self.values[block][rows[block]])
        return replace(
            self,
            values=values.all(),
            start_seconds=self.start_seconds[rows],
            end_seconds=self.end_seconds[rows],
            failed=self.failed[rows],
            reused=self.reused[rows],
        )


def _rows_not_finite(values: NDArray[np.float32]) -> list[int]:
    found: list[int] = []
    for rows in row_blocks(values):
        finite = np.isfinite(values[rows])
        if not finite.all():
            found += [rows.start + int(n) for n in np.flatnonzero(~finite.all(axis=(1, 2)))]
    return found


def _check_times(start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Times come from files too, and everything after trusts them."""
    if start.dtype != np.float64 or end.dtype != np.float64:
        raise StatesError(f"times are {start.dtype} and {end.dtype}, expected float64")
    row = np.isfinite(start) & np.isfinite(end) & (start >= 0) & (end > start)
    row[1:] &= start[1:] >= start[:-1]
    if not row.all():
        bad = int(np.flatnonzero(~row)[0])
        raise StatesError(
            f"segment {bad} lasts from {start[bad]} s to {end[bad]} s; times must be finite, "
            "begin at 0 or later, end after their start, and not run backwards: extract again"
        )


@dataclass(frozen=True)
class VideoStates:
    """All that was extracted from one video: by segment, and over the whole clip.

    Attributes:
        states: per reading, one row per segment; may be empty where only `clip` was wanted.
        outcome: "end" the video was read to its end; "truncated" it broke off (damaged file).
        clip: per reading, one row from key frames over the whole video; empty where not wanted.
        provenance: how the video was cut and by which backbone it was read, where that is known.
    """

    states: Mapping[Reading, States]
    outcome: str = "end"
    clip: Mapping[Reading, States] = field(default_factory=dict)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        if self.outcome not in ("end", "truncated"):
            raise StatesError(f"outcome is {self.outcome!r}; expected end or truncated")
        if any(len(s) != 1 for s in self.clip.values()):
            raise StatesError("clip states have one row; these have another number")

    @property
    def leading(self) -> States | None:
        """States that say which layers were read: of the decoder where it was, else of the vision
        tower; None where there are none."""
        every = [*self.states.values(), *self.clip.values()]
        decoder = (s for s in every if s.reading not in VISION_READINGS)
        return next(decoder, every[0] if every else None)


@dataclass(frozen=True)
class LabelledStates:
    """States of one labelled clip, as fitting takes them.

    Attributes:
        name: what to call the clip in tables and errors.
        label: 0 normal, 1 anomalous.
        source: recording that the clip comes from; folds never split a source.
        clip: one row, key frames over the whole clip; None where not extracted.
        segments: one row per segment; None where not extracted.
        class_name: the user's own name of the class.
        provenance: how the clip was cut and by which backbone it was read, where that is known.
    """

    name: str
    label: int
    source: str
    clip: States | None
    segments: States | None
    class_name: str = ""
    provenance: Provenance | None = None

    @property
    def covered_seconds(self) -> float:
        """How much of the video it covers: gaps are left out, what windows share counts once."""
        states = self.segments if self.segments is not None else self.clip
        if states is None:
            return 0.0
        return covered_seconds(states.start_seconds, states.end_seconds)

    def __post_init__(self) -> None:
        if self.label not in (0, 1):
            raise StatesError(f"label of {self.name} is {self.label!r}, expected 0 or 1")
        if self.clip is None and self.segments is None:
            raise StatesError(f"{self.name} has neither clip nor segment states")
        if self.clip is not None and len(self.clip) != 1:
            raise StatesError(f"clip states of {self.name} have {len(self.clip)} rows, expected 1")
