"""From frames and a question to the inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from hiprobe.backbones.hf.family import UNTIMED_GAP_SECONDS, Family, Offsets, Pictures
from hiprobe.backbones.hf.prompt import Wording
from hiprobe.errors import UsageError
from hiprobe.segment import Frame, Segment


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
