from pathlib import Path

import numpy as np
import pytest

from hiprobe.cli.demo import real_material
from hiprobe.video.video_info import video_info
from hiprobe.video.write import write_video


def write_clip(path: Path, shade: int) -> None:
    frames = (np.full((48, 64, 3), shade + i, np.uint8) for i in range(12))
    write_video(path, frames, fps=12)


def test_real_clips_become_a_joined_video_with_known_truth(tmp_path: Path) -> None:
    for i in range(5):
        for offset, name in enumerate(("normal", "abnormal")):
            (tmp_path / "clips" / name).mkdir(parents=True, exist_ok=True)
            write_clip(tmp_path / "clips" / name / f"{i}.mp4", 40 * i + 5 * offset)
    skipped: list[Path] = []
    (tmp_path / "clips" / "normal" / "broken.mp4").write_text("no video")
    material = real_material(
        tmp_path / "clips", tmp_path / "out", seed=2, skip=lambda p, _: skipped.append(p)
    )
    length = video_info(material.video).duration_seconds_from_header
    assert not material.rendered
    assert length == pytest.approx(len(material.cuts_seconds) + 1.0, abs=0.1)
    assert all(end - start == pytest.approx(1.0) for start, end in material.truth_spans)
    assert all(start in material.cuts_seconds for start, _ in material.truth_spans)
    assert material.truth_spans
