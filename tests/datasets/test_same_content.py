"""The same content is known whatever it is called."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from video_parts import make_clip

from hiprobe.datasets.clips import LabelledClip, LabelledClips, read_clips
from hiprobe.datasets.same_content import settle_copies
from hiprobe.errors import LabelError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import States, VideoStates
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_file import write_states


def clip_at(path: Path, *, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(path, ticks=range(0, 480, 40), shade=shade)


def settled(root: Path) -> LabelledClips:
    return settle_copies(read_clips(root), digest=content_hash)


def write_states_of(video: Path, target: Path, *, starts: tuple[float, ...] = (0.0, 1.0)) -> None:
    begin = np.array(starts)
    states = States(
        values=np.zeros((len(begin), 2, 3), np.float32),
        layers=(1, 2),
        start_seconds=begin,
        end_seconds=begin + 1,
        reading="last",
        fingerprint=Fingerprint("lite", "w" * 8, "float32", "prompt"),
        layer_count=2,
        failed=np.zeros(len(begin), bool),
    )
    notes = {"sha256": content_hash(video)}
    write_states(target, VideoStates(states={"last": states}), notes=notes)


def test_a_copy_under_another_label_is_refused_with_both_names(tmp_path: Path) -> None:
    video = clip_at(tmp_path / "normal" / "a.mp4")
    clip_at(tmp_path / "abnormal" / "b.mp4", shade=5)
    assert len(settled(tmp_path).clips) == 2
    shutil.copy(video, tmp_path / "abnormal" / "c.MP4")
    with pytest.raises(LabelError, match=r"abnormal/c\.MP4 .* and normal/a\.mp4 .* same content"):
        settled(tmp_path)


def test_copies_within_a_class_share_a_source(tmp_path: Path) -> None:
    video = clip_at(tmp_path / "normal" / "a.mp4")
    shutil.copy(video, tmp_path / "normal" / "b.mp4")
    clip_at(tmp_path / "abnormal" / "c.mp4", shade=5)
    found = settled(tmp_path)
    sources = {c.name: c.source for c in found.clips}
    assert sources["normal/a.mp4"] == sources["normal/b.mp4"] != sources["abnormal/c.mp4"]
    assert "normal/b.mp4 = normal/a.mp4" in found.remarks[0]


def test_all_clips_of_joined_sources_go_together(tmp_path: Path) -> None:
    for name, shade in (("a", 0), ("b", 3), ("c", 5)):
        clip_at(tmp_path / f"{name}.mp4", shade=shade)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "d.mp4")
    rows = "a.mp4,normal,x\nb.mp4,normal,x\nd.mp4,normal,y\nc.mp4,fight,y\n"
    (tmp_path / "c.csv").write_text("video,label,source\n" + rows)
    assert {c.source for c in settled(tmp_path / "c.csv").clips} == {"x"}


def test_disjoint_stretches_of_copies_may_have_two_labels(tmp_path: Path) -> None:
    shutil.copy(clip_at(tmp_path / "a.mp4"), tmp_path / "b.mp4")
    head = "video,label,start_seconds,end_seconds\n"
    (tmp_path / "c.csv").write_text(head + "a.mp4,normal,0,0.2\nb.mp4,fight,0.2,\n")
    assert len({c.source for c in settled(tmp_path / "c.csv").clips}) == 1
    (tmp_path / "c.csv").write_text(head + "a.mp4,normal,0,0.3\nb.mp4,fight,0.2,\n")
    with pytest.raises(LabelError, match="two labels"):
        settled(tmp_path / "c.csv")


def test_states_and_their_video_are_one_clip(tmp_path: Path) -> None:
    for name, shade in (("normal", 0), ("abnormal", 5)):
        video = clip_at(tmp_path / name / "a.mp4", shade=shade)
        write_states_of(video, tmp_path / name / "other name.safetensors")
    found = settled(tmp_path)
    assert [c.name for c in found.clips] == ["abnormal/a.mp4", "normal/a.mp4"]
    assert found.remarks[0].startswith("2 files of states belong to videos")
    write_states_of(tmp_path / "normal" / "a.mp4", tmp_path / "abnormal" / "b.safetensors")
    with pytest.raises(LabelError, match="are states and their video under two labels"):
        settled(tmp_path)


def test_only_files_of_equal_size_are_hashed(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / ("normal" if number % 2 else "abnormal") / f"{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * (number + 1))
    hashed: list[Path] = []

    def digest(path: Path, *, seen: list[Path]) -> str:
        seen.append(path)
        return content_hash(path)

    settle_copies(read_clips(tmp_path), digest=partial(digest, seen=hashed))
    assert not hashed


def test_what_cannot_be_read_is_left_for_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"no states")
    clips = [
        LabelledClip(tmp_path / n, label, "c", n, None, None, n)
        for label, n in ((0, "gone.mp4"), (1, "bad.safetensors"))
    ]
    assert settle_copies(clips, digest=content_hash).clips == tuple(clips)
