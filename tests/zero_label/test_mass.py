"""How much of the first token's probability the answers make up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from answering import Answerer, brightness, write_video
from numpy.typing import NDArray

from hiprobe.baselines.zero_label_video import zero_label_video
from hiprobe.errors import BackboneMemoryError
from hiprobe.segment import Segment


class Small(Answerer):
    """Has no memory for white frames."""

    def first_token(
        self, segments: Sequence[Segment], *, prompts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> NDArray[np.float64]:
        if any(brightness(s.frames) > 0.9 for s in segments):
            raise BackboneMemoryError("white frames do not fit")
        return super().first_token(segments, prompts=prompts, words=words)


def test_segments_that_failed_do_not_count(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", (20, 255, 40, 250))
    found = zero_label_video(video, backbone=Small(), method="first-token")
    assert found.failed == 2
    assert found.mass == pytest.approx(0.5, abs=1e-6)
