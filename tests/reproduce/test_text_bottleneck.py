"""Descriptions read by the LLM: sampled, joined to the truth, probed by video, beside pictures."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiprobe.datasets.ground_truth import load_truth
from hiprobe.errors import DatasetError, UsageError
from hiprobe.evaluation.truth import VideoTruth
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.described_frames import (
    SUFFIX,
    DescribedSet,
    middles,
    picture_states,
    read_descriptions,
    read_layers,
    text_states,
    videos_of,
)
from hiprobe.reproduce.experiments import text_bottleneck
from hiprobe.reproduce.frame_probe import Samples, by_layer, probe_layers, probe_words
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest
from hiprobe.store.states_cache import StatesCache
from hiprobe.video.write import write_video

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "backbones")]
import backbone_cases
import tiny_sets
from planted import planted_opener

NORMAL = ("People walk along a path.", "A path with trees.", "Two people stand and talk.")
ABNORMAL = ("A man rides a bicycle.", "A small cart drives by.", "A boy on a skateboard.")


def write_descriptions(folder: Path) -> Path:
    """Made-up words for every frame of Ped2, telling in nine of ten cases."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for video in load_truth("ucsd-ped2").videos:
        lied = rng.random(video.frames) < 0.1
        kinds = video.labels() ^ lied
        words = [(ABNORMAL if k else NORMAL)[int(rng.integers(3))] for k in kinds]
        lines.append(json.dumps({"video": video.name, "descriptions": words}))
    path = folder / f"ucsd_ped2{SUFFIX}"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    return path


def _bench(out: Path, data: tuple[DataSource, ...], opener=None, **settings) -> Bench:
    request = ReproduceRequest(data=data, out=out, folds=4, draws=30, **settings)
    extraction = Extraction(request, opener, StatesCache(out / "states"))
    return Bench(request, extraction, FinishedPieces(out / "kept"), say=lambda line: None)


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("tiny-lite")
    return planted_opener(folder, abnormal_text=lambda text: text in ABNORMAL)


@pytest.fixture(scope="module")
def ped2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_descriptions(tmp_path_factory.mktemp("texts"))


def test_every_frame_has_one_stretch_and_its_middle_lies_in_it() -> None:
    for frames in (1, 11, 12, 13, 180):
        chosen = middles(frames, 12)
        assert len(chosen) == -(-frames // 12)
        starts = np.arange(len(chosen)) * 12
        assert ((chosen >= starts) & (chosen < np.minimum(starts + 12, frames))).all()


def test_descriptions_are_joined_to_the_packaged_truth(ped2: Path) -> None:
    found = read_descriptions(ped2)
    assert found.name == "ucsd-ped2" and len(found.videos) == 12
    first = found.videos[0]
    assert len(first.texts) == 15 and first.labels.tolist() == [0] * 5 + [1] * 10


def test_a_missing_frame_or_video_is_named(ped2: Path, tmp_path: Path) -> None:
    with gzip.open(ped2, "rt") as file:
        lines = [json.loads(line) for line in file]
    lines[3]["descriptions"].pop()
    path = tmp_path / ped2.name
    for broken, told in ((lines, "179 descriptions for 180"), (lines[1:], "1 videos are not")):
        with gzip.open(path, "wt") as file:
            file.write("\n".join(json.dumps(line) for line in broken))
        with pytest.raises(DatasetError, match=told):
            read_descriptions(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_descriptions(path)


def test_the_whole_experiment_on_made_up_words(ped2: Path, tmp_path: Path, opener) -> None:
    data = (DataSource("texts", ped2.parent),)
    bench = _bench(tmp_path, data, opener, seeds=(0, 1))
    found = text_bottleneck.run(bench)
    rows = {(r.setting, r.metric): r for r in found.rows}
    words = rows[text_bottleneck.WORDS, "frame AUC"]
    assert 0.8 < words.ours < 0.95  # a tenth of the texts lie
    assert words.low is not None and words.low < words.ours < words.high
    mean = rows["text, mean over the text, last layer", "frame AUC"].ours
    oracle = rows["text, mean over the text, oracle: best layer on the test folds", "frame AUC"]
    assert oracle.ours >= mean > 0.7
    assert not any("picture" in setting for setting, _ in rows)
    assert found.figures[0].name == "text-bottleneck"
    assert found.data["texts"] == "ucsd-ped2: 12 test videos, 169 of 2010 descriptions read."


def test_texts_read_before_are_not_read_again(ped2: Path, tmp_path: Path, opener) -> None:
    bench = _bench(tmp_path, (DataSource("texts", ped2.parent),), opener, seeds=(0,))
    described = read_descriptions(ped2)
    first = text_states(bench, described, (1, 3))
    again = _bench(tmp_path, bench.request.data, opener, seeds=(0,))

    whole = again.extraction.backbone.text_states

    def one_only(texts, *, layers):
        assert len(texts) == 1, "read again"  # the sentence that tells the decoder
        return whole(texts, layers=layers)

    again.extraction.backbone.text_states = one_only
    assert np.array_equal(text_states(again, described, (1, 3))["last"], first["last"])


def test_without_descriptions_it_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="frame_descriptions"):
        text_bottleneck.run(_bench(tmp_path, (DataSource("empty", tmp_path),)))


@pytest.fixture
def two_videos(ped2: Path, tmp_path: Path):
    """Two of the described videos, shortened, with pictures of the same frames."""
    described = read_descriptions(ped2)
    short, lines = [], ["video,label,source,spans,frames"]
    for video, frames, span in (
        (described.videos[0], 30, (12, 30)),
        (described.videos[1], 25, (0, 12)),
    ):
        truth = VideoTruth(video.name, frames, (span,), ("abnormal",))
        chosen = middles(frames)
        short.append(replace(video, truth=truth, texts=video.texts[: len(chosen)],
                             labels=truth.labels()[chosen].astype(np.int64)))  # fmt: skip
        path = tmp_path / f"test_{video.name}.mp4"
        write_video(path, tiny_sets.span_frames(frames, (span,), seed=1), fps=10)
        lines.append(f"{path.name},abnormal,{video.name},{span[0]}-{span[1]},{frames}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return DescribedSet("ucsd-ped2", described.truth, tuple(short)), tmp_path


def test_pictures_are_of_the_same_stretches(two_videos, opener) -> None:
    described, folder = two_videos
    bench = _bench(folder / "out", (DataSource("ped2", folder),), opener)
    rows = videos_of(bench.request.data, described)
    assert rows is not None and set(rows) == {"01", "02"}
    found = picture_states(bench, described, rows, (1, 5), every_frames=12)
    assert [f.view for f in found] == ["pictures, 8 key frames", "picture, the one described"]
    assert found[0].values["last"].shape == (6, 2, backbone_cases.TINY_WIDTH)
    assert not np.allclose(found[0].values["last"], found[1].values["last"])


def test_videos_with_other_spans_are_not_taken(two_videos) -> None:
    described, folder = two_videos
    text = (folder / "manifest.csv").read_text(encoding="utf-8")
    (folder / "manifest.csv").write_text(text.replace("12-30", "13-30"), encoding="utf-8")
    assert videos_of((DataSource("ped2", folder),), described) is None


def _samples(videos: int = 6, per_video: int = 10) -> Samples:
    labels = np.tile([0] * (per_video // 2) + [1] * (per_video // 2), videos)
    truths = tuple(
        VideoTruth(f"v{i}", 12 * per_video, ((6 * per_video, 12 * per_video),), ("x",))
        for i in range(videos)
    )
    return Samples(truths, np.repeat(np.arange(videos), per_video), labels, 12)


def test_the_informative_layer_is_found_and_no_video_is_in_both_parts() -> None:
    samples = _samples()
    rng = np.random.default_rng(0)
    states = rng.normal(size=(60, 3, 8)).astype(np.float32)
    states[samples.labels == 1, 1] += 2.0
    found = by_layer(probe_layers(states, samples, (1, 2, 3), folds=3, seed=0), samples,
                     folds=3, seed=0)  # fmt: skip
    assert set(found.dlsp) == {2}
    for train, held in found.pairs:
        assert not set(samples.owner[train]) & set(samples.owner[held])
    units = samples.units(found.rule("DLSP", samples.labels))
    assert len(units.frames.scores) == 6 * 120 and units.frames.labels.sum() == 6 * 60
    assert np.array_equal(found.rule("DLSP", samples.labels), found.rule("oracle", samples.labels))


def test_words_that_only_name_the_video_do_not_help() -> None:
    samples = _samples()
    texts = [f"street number{o} number{o}b" for o in samples.owner]
    scores = np.array(probe_words(texts, samples, folds=3, seed=0))
    assert np.allclose(scores, scores.mean(), atol=0.1)


def test_layers_that_are_read() -> None:
    assert read_layers(30) == (1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)
    assert read_layers(5) == (1, 3, 5)
