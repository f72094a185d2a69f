"""Near-duplicates are found through another encoding; one camera alone is none."""

from pathlib import Path

import numpy as np
from data_trees import moving
from shared_data import published_files

from hiprobe.datasets.measure import SHAPE, fingerprint, near_duplicates
from hiprobe.segment import Frame
from hiprobe.video.clip import read_clip
from hiprobe.video.write import write_video


def test_other_size_brightness_and_noise_are_the_same_recording() -> None:
    frames = moving(1, 8)
    rng = np.random.default_rng(0)
    larger = [f.repeat(3, axis=0).repeat(2, axis=1) for f in frames]
    darker = [(0.7 * f + 20).astype(np.uint8) for f in frames]
    noisy = [np.clip(f + rng.normal(0, 8, f.shape), 0, 255).astype(np.uint8) for f in frames]
    every = np.stack([fingerprint(f) for f in (frames, larger, darker, noisy, moving(2, 8))])
    pairs = near_duplicates(every)
    assert {(p.first, p.second) for p in pairs} == {(a, b) for b in range(4) for a in range(b)}
    assert not any(p.still for p in pairs)


def test_one_camera_at_two_times_is_no_duplicate() -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)

    def passing(row: int, step: int) -> list[Frame]:
        frames = [scene.copy() for _ in range(8)]
        for i, frame in enumerate(frames):
            frame[row : row + 16, i * step : i * step + 16] = 255
        return frames

    pair = np.stack([fingerprint(passing(8, 6)), fingerprint(passing(40, 5))])
    assert not near_duplicates(pair)


def test_still_videos_are_compared_by_their_picture() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    every = np.stack([fingerprint([picture] * 8) for picture in (one, one, other)])
    (pair,) = near_duplicates(every)
    assert (pair.first, pair.second, pair.still) == (0, 1, True)


def test_blocks_find_the_same_pairs() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(0, 255, (1500, *SHAPE), dtype=np.uint8)
    many[1400] = many[7]
    many[1100] = many[1090]
    found = [(p.first, p.second) for p in near_duplicates(many)]
    assert found == [(7, 1400), (1090, 1100)]


def test_real_videos_of_one_camera(tmp_path: Path) -> None:
    folder = published_files().parent / "ucsd_ped2" / "train"
    clips = [read_clip(p, key_frames=8) for p in sorted(folder.iterdir())[:4]]
    every = [fingerprint(c.frames) for c in clips]
    for crf in (20, 38):
        half = [f[::2, ::2].copy() for f in clips[2].frames]
        copy = write_video(tmp_path / f"{crf}.mp4", half, fps=5, crf=crf)
        every.append(fingerprint(read_clip(copy.path, key_frames=8).frames))
    found = {(p.first, p.second) for p in near_duplicates(np.stack(every))}
    assert found == {(2, 4), (2, 5), (4, 5)}
