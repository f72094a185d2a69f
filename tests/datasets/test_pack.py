"""Picture folders become videos with the same frames."""

from pathlib import Path

import numpy as np
import pytest
from data_trees import clip, moving, pictures

from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.datasets.transfer import pack_manifest
from hiprobe.errors import DatasetError
from hiprobe.video.decode import FrameReader


def test_frames_stay_what_they_were_and_files_stay(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames" / "01", 5, frames=12, suffix=".png", first=1)
    video = clip(tmp_path / "02.mp4", 1)
    rows = (
        ManifestRow(folder, "01", "abnormal", 1, "test", "", 12, 24.0, ((2, 5),)),
        ManifestRow(video, "02", "normal", 0, "train"),
    )
    packed = pack_manifest(Manifest("set", rows), folder=tmp_path / "out")
    made, kept = packed.rows
    assert made.video == tmp_path / "out" / "test" / "01.mp4" and made.spans == ((2, 5),)
    assert kept.video == video
    frames = list(FrameReader(made.video))
    assert len(frames) == 12 and frames[1].seconds == pytest.approx(1 / 24, abs=1e-4)
    for frame, pixels in zip(frames, moving(5, 12), strict=True):
        assert np.abs(frame.rgb().astype(float).mean((0, 1)) - pixels.mean((0, 1))).max() < 6
    written = made.video.stat().st_mtime_ns
    pack_manifest(Manifest("set", rows), folder=tmp_path / "out")
    assert made.video.stat().st_mtime_ns == written  # whole already
    made.video.write_bytes(b"broken")
    pack_manifest(Manifest("set", rows), folder=tmp_path / "out")
    assert len(list(FrameReader(made.video))) == 12


def test_a_folder_that_changed_is_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "01", 5, frames=4)
    rows = (ManifestRow(folder, "01", "abnormal", 1, "test", frame_count=5),)
    with pytest.raises(DatasetError, match="has 4 pictures, the manifest says 5"):
        pack_manifest(Manifest("set", rows), folder=tmp_path / "out")
