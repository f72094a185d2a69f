"""Keys of cached states stay what they were, so that states cached before are still found."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiprobe.fingerprint import Fingerprint
from hiprobe.pipeline import ExtractionSettings
from hiprobe.segment import WHOLE, Cut, Stretch
from hiprobe.store.states_cache import StatesCache

PART = Stretch(1.5, 6.0)
KEYS: list[tuple[Cut, Stretch, str, str, str]] = [
    (
        Cut(),
        WHOLE,
        "28359f6406b8f6fe050f4817377a35b3be5f64f8",
        "4556fd7e70ef42ed68526b4a8409872a75f0ee01",
        "834d2879734fda07f869dbb5e9520886933b93b7",
    ),
    (
        Cut(),
        PART,
        "244a6b6b813676c8d1c94201a3e0ca2467ecc88c",
        "65544c6236a085dfa85d37cd511edd1c6bc4cc7e",
        "a26238ef114b6705262b80ab06ada84509358976",
    ),
    (
        Cut(segment_frames=12, key_frames=4),
        WHOLE,
        "fcb785f7b7d14358972fb15fb70658342a44aac0",
        "99305b01ef8b0cd99ccfc89865f587a652ef41ec",
        "843ae2b8d3de75fc21a6289585e9f8306c273f14",
    ),
    (
        Cut(segment_frames=12, key_frames=4),
        PART,
        "306b23cc14825b8f9bb7465c9e554df2aac50d5e",
        "7cd4c74dcf4b4562e74dad169e74cb4540b2d6cd",
        "0fb78a9ced533b9b1c9f69c5683ed84db02c2bd8",
    ),
    (
        Cut(segment_seconds=0.5, max_side_pixels=None),
        WHOLE,
        "e67eb2a21098f30854fadb07a98a5b20cec5dcfb",
        "18038df4489d3324e5a005872b6dcbe5aec311da",
        "8aca9602d402186bef4b14f0194db25418a16404",
    ),
    (
        Cut(segment_seconds=0.5, max_side_pixels=None),
        PART,
        "3600fcce5805da877e307215920f5cfacb2384d6",
        "583d56051dc5d350cd101f0fcba11ee51228d545",
        "eafafe490bc6c9af1d556279af99321d5884fe73",
    ),
    (
        Cut(segment_seconds=2),
        WHOLE,
        "a556d2e7944173b20e81bab780e5cdb386240897",
        "c63954f4eadc20763d619d230407de35b1e7cec1",
        "834d2879734fda07f869dbb5e9520886933b93b7",
    ),
    (
        Cut(segment_seconds=2),
        PART,
        "88bf7e928ea9e8777e39dd3b92c6d32e88110d23",
        "1d2af669f274ede35a209862e571999bffb021f3",
        "a26238ef114b6705262b80ab06ada84509358976",
    ),
]
"""Keys of the segments, of the segments before gaps were known, and of the clip, as they were
before a cut was a value of its own."""


@pytest.mark.parametrize(("cut", "stretch", "segments", "former", "clip"), KEYS)
def test_states_cached_before_are_still_found(
    tmp_path: Path, cut: Cut, stretch: Stretch, segments: str, former: str, clip: str
) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"some video")
    cache, made_by = StatesCache(tmp_path), Fingerprint("m", "w", "float32", "p")
    settings = ExtractionSettings(**vars(cut), layers=(3,), batch_segments=2)
    parts = [
        settings.key_parts("segments", stretch),
        settings.key_parts_without_gaps("segments", stretch),
        settings.key_parts("clip", stretch),
        settings.key_parts_without_gaps("clip", stretch),
    ]
    keys = [cache.key(video, settings=found, fingerprint=made_by) for found in parts]
    assert keys == [segments, former, clip, clip]


def test_the_settings_of_a_run_leave_their_cut_alone_with_its_states() -> None:
    settings = ExtractionSettings(segment_seconds=2.0, key_frames=3, layers=(1,))
    made = settings.provenance(object())
    assert made.cut == Cut(segment_seconds=2.0, key_frames=3)
    assert ExtractionSettings.like(made) == ExtractionSettings(segment_seconds=2.0, key_frames=3)
