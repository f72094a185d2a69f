"""The kinds of document that HiProbe reads: a sound one of each, and everything that reads it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.errors import StatesError
from hiprobe.fingerprint import Fingerprint
from hiprobe.states import LabelledStates, States, VideoStates

FINGERPRINT = Fingerprint("toy", "weights-1", "float32", "What happens?", {"frame_pixels": 224})


@dataclass(frozen=True)
class Kind:
    """A kind of document.

    Attributes:
        files: that are damaged, below the folder, and the form of each (see `damage.WAYS`).
        make: writes sound documents into a folder.
        read: reads them in every way; an error must be a `HiProbeError`.
        mend: after the damage, brings what would hide it (a hash) in line with it.
        tolerant: what reads a cache passes over damaged entries, and must raise nothing at all.
    """

    name: str
    files: tuple[tuple[str, str], ...]
    make: Callable[[Path], None]
    read: Callable[[Path], None]
    mend: Callable[[Path], None] | None = None
    tolerant: bool = False


def states(values: Any, reading: Any = "last") -> States:
    values = np.asarray(values, dtype=np.float32)
    n, count = values.shape[:2]
    return States(
        values=values,
        layers=tuple(range(1, count + 1)),
        start_seconds=np.arange(n, dtype=np.float64),
        end_seconds=np.arange(n, dtype=np.float64) + 1,
        reading=reading,
        fingerprint=FINGERPRINT,
        layer_count=count,
        failed=np.zeros(n, dtype=bool),
    )


def _examples() -> list[LabelledStates]:
    rng = np.random.default_rng(0)
    found = []
    for i in range(12):
        rows = rng.normal(size=(3, 2, 4)) + i % 2
        clip = states(rows.mean(axis=0, keepdims=True))
        found.append(LabelledStates(f"clip-{i}", i % 2, f"s-{i}", clip, states(rows), "ab"[i % 2]))
    return found


def _make_probe(folder: Path) -> None:
    from hiprobe.probe import Probe
    from hiprobe.probe.reading_file import ReadingRecord, write_record

    Probe(folds=2).fit(_examples()).save(folder)
    write_record(folder, ReadingRecord("lite", 1.5, (("a.mp4", "broken"),)))


def _mend_probe(folder: Path) -> None:
    path = folder / "probe.json"
    if not path.is_file() or path.stat().st_size > 1 << 30:
        return
    try:
        document = json.loads(path.read_text("utf-8"))
        for name in ("tensors", "examples"):
            file = folder / f"{'probe' if name == 'tensors' else name}.safetensors"
            if file.is_file() and file.stat().st_size < 1 << 30:
                document[f"{name}_sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        (folder / "probe.json").write_text(json.dumps(document), "utf-8")
    except (OSError, ValueError, TypeError, RecursionError):
        pass  # the JSON itself is what was damaged


def _read_probe(folder: Path) -> None:
    from hiprobe.cli.info import _facts
    from hiprobe.errors import HiProbeError, UsageError
    from hiprobe.probe import Probe
    from hiprobe.probe.reading_file import read_record

    _all(lambda: Probe.load(folder), lambda: read_record(folder), lambda: _facts(folder))
    probe = Probe.load(folder)
    json.dumps(probe.facts(), allow_nan=False)
    repr(probe)
    with suppress(HiProbeError):  # of another fingerprint or width: that is about no file
        probe.detect(states(np.ones((5, 2, 4)), probe.reading_))
    with suppress(UsageError):  # of settings that say how a next fit is made
        probe.settled()
    probe.examples()


def _make_states(folder: Path) -> None:
    from hiprobe.store.states_file import write_states
    from hiprobe.store.states_table import write_states_manifest

    notes = {
        "video": "a.mp4", "segment_seconds": "1.5", "first_pts": "0", "time_base_seconds": "0.04",
        "label": "1", "class": "fight", "source": "s", "request": "r", "sha256": "0",
    }  # fmt: skip
    video = VideoStates(
        states={"last": states(np.ones((3, 2, 4)))}, clip={"last": states(np.ones((1, 2, 4)))}
    )
    write_states(folder / "a.safetensors", video, notes=notes)
    write_states(folder / "b.safetensors", video, notes=notes)
    write_states_manifest(folder)


def _read_states(folder: Path) -> None:
    from hiprobe.cli.info import _facts
    from hiprobe.store.states_file import read_states, read_times
    from hiprobe.store.states_table import write_states_manifest

    path = folder / "a.safetensors"
    _all(
        lambda: read_states(path),
        lambda: read_times(path),
        lambda: _facts(path) if path.exists() and not path.is_dir() else None,
        lambda: write_states_manifest(folder),
    )


def _read_layer(folder: Path) -> None:
    from hiprobe.store.states_table import read_layer

    _all(lambda: read_layer(folder, 1), lambda: read_layer(folder, 2, unit="clip"))


def _all(*reads: Callable[[], Any]) -> None:
    """Do all of it, and raise the first error on purpose; any other error at once."""
    from hiprobe.errors import HiProbeError

    told = []
    for read in reads:
        try:
            read()
        except HiProbeError as error:
            told.append(error)
    if told:
        raise told[0]


def _truth() -> Any:
    from hiprobe.evaluation.truth import Truth, VideoTruth

    videos = (
        VideoTruth("a", 8, ((2, 5),), ("fight",)),
        VideoTruth("b", 6, ()),
        VideoTruth("c", 4, ((0, 2),), ("fire",)),
    )
    return Truth(name="own", videos=videos, fps=25.0)


def _evaluate(path: Path) -> None:
    from hiprobe.datasets.score_files import read_frames
    from hiprobe.evaluation.evaluate_scores import evaluate_frames, evaluation_document

    truth = _truth()
    frames = read_frames(path, truth=truth)
    found = evaluate_frames(frames=frames, truth=truth, threshold=0.5, draws=2, seed=0)
    json.dumps(evaluation_document(found, floors={}, compared={}), allow_nan=False)


_SCORES = {"a": np.linspace(0, 1, 8), "b": np.linspace(0, 0.5, 6), "c": np.linspace(1, 0, 4)}


def _make_scores(folder: Path) -> None:
    plain = {name: values.tolist() for name, values in _SCORES.items()}
    (folder / "lists.json").write_text(json.dumps(plain), "utf-8")
    spans = {n: [[0, 2, 0.1], [2, len(v), 0.7]] for n, v in _SCORES.items()}
    (folder / "spans.json").write_text(json.dumps(spans), "utf-8")
    np.savez(folder / "all.npz", **_SCORES)
    np.save(folder / "joined.npy", np.concatenate(list(_SCORES.values())))
    (folder / "each").mkdir()
    for name, values in _SCORES.items():
        np.save(folder / "each" / f"{name}.npy", values)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("video", "start_seconds", "end_seconds", "score"))
        for name, values in _SCORES.items():
            writer.writerow((name, 0, 0.08, 0.25))
            writer.writerow((name, 0.08, len(values) / 25, 0.5))
    (folder / "detections").mkdir()
    for name, values in _SCORES.items():
        _make_timeline(folder / "detections" / f"{name}.json", name, len(values) / 25)


def _make_timeline(path: Path, video: str, end_seconds: float) -> None:
    from hiprobe.localize import find_events
    from hiprobe.report.documents import timeline_document, write_json
    from hiprobe.timeline import Explanation, Timeline

    start, end = np.array([0.0, 0.08]), np.array([0.08, end_seconds])
    scores = np.array([0.2, 0.8])
    timeline = Timeline(
        start_seconds=start, end_seconds=end, scores=scores, smoothed=scores, threshold=0.5,
        sigma_segments=0.4, events=find_events(start, end, scores, 0.5),
        explanations=(Explanation("event", 0.08, end_seconds, "what?", "a man", event=1),),
    )  # fmt: skip
    write_json(timeline_document(timeline, video=video, probe={"layer": 1}), path)


def _of_scores(name: str) -> Callable[[Path], None]:
    return lambda folder: _evaluate(folder / name)


def _read_detection(folder: Path) -> None:
    from hiprobe.report.documents import read_timeline, segment_rows

    segment_rows(read_timeline(folder / "detections" / "a.json"))


def _make_manifest(folder: Path) -> None:
    from hiprobe.datasets.manifest import Manifest, ManifestRow, write_manifest

    rows = tuple(
        ManifestRow(
            folder / f"{n}.mp4", n, "fight" if label else "normal", label, "test", n, 60, 25.0,
            ((10, 20), (30, 60)) if label else (),
        )
        for n, label in (("a", 1), ("b", 0), ("c", 1), ("d", 0))
    )  # fmt: skip
    for name in ("m.csv", "m.parquet"):
        write_manifest(Manifest("own", rows), path=folder / name)
    (folder / "clips.csv").write_text(
        "video,label,source,start_seconds,end_seconds\na.mp4,normal,x,0,1.5\nb.mp4,fight,y,1,\n"
        "c.mp4,normal,z,,\nd.mp4,fight,z2,0,4\n"
    )
    (folder / "spans.csv").write_text("video,start_seconds,end_seconds\na.mp4,0,1.5\nb.mp4,2,3\n")


def _of_manifest(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from hiprobe.datasets.clips import read_clips
        from hiprobe.datasets.ground_truth import find_truth
        from hiprobe.datasets.manifest import read_manifest

        path = folder / name
        _all(
            lambda: read_manifest(path=path),
            lambda: read_clips(path, both_kinds=False),
            lambda: find_truth(str(path)),
        )

    return read


def _read_clips(folder: Path) -> None:
    from hiprobe.datasets.clips import read_clips
    from hiprobe.datasets.stretches import read_own_spans

    table = folder / "clips.csv"
    _all(lambda: read_clips(table, both_kinds=False), lambda: read_own_spans(folder))


def _make_prompts(folder: Path) -> None:
    (folder / "p.json").write_text(json.dumps({"one": "Is it odd?", "two": "What is it?"}))
    (folder / "l.json").write_text(json.dumps(["hazards", "What is it?"]))
    (folder / "p.toml").write_text('[prompts]\none = "Is it odd?"\ntwo = "What is it?"\n')
    (folder / "p.txt").write_text("hazards\n# no\nWhat is it?\n")


def _of_prompts(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from hiprobe.prompts import read_prompts

        read_prompts(folder / name)

    return read


def _make_result(folder: Path) -> None:
    from hiprobe.reproduce.experiment_result import (
        ExperimentResult,
        Findings,
        PaperNumber,
        ResultRow,
        result_document,
    )
    from hiprobe.reproduce.result_pages import JSON_NAME

    row = ResultRow(
        "d", "last", "AUC", 0.5, 0.4, 0.6, (0.4, 0.6), (PaperNumber("U", 0.8),), "p", (0, 1)
    )
    result = ExperimentResult("t", "T", Findings((row,)), "c", "m", "b", {"d": "x"}, 1.0, "2026")
    (folder / JSON_NAME).write_text(json.dumps(result_document(result)), "utf-8")
    shutil.copy(folder / JSON_NAME, folder / "r.json")


def _read_result(folder: Path) -> None:
    from hiprobe.reproduce.result_pages import JSON_NAME, read_result, result_markdown

    path = folder / JSON_NAME
    path.unlink()
    (folder / "r.json").rename(path)
    result_markdown(read_result(folder), level=2, figures="")


def _make_model_folder(folder: Path) -> None:
    from hiprobe.backbones.lite.wheels import write_manifest
    from hiprobe.backbones.model_folders import Record, RemoteFile, write_record

    (folder / "config.json").write_text(json.dumps({"model_type": "llava", "decoder": {"a": 1}}))
    write_manifest(folder, names=["config.json"])
    write_record(folder, Record("a/b", "0" * 40, "https://hub", (RemoteFile("config.json", 50),)))
    index = {"weight_map": {"a.b": "one.safetensors", "c": "one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    from safetensors.numpy import save_file

    save_file({"a.b": np.ones(4, np.float32), "c": np.ones(2)}, folder / "one.safetensors")


def _read_model_folder(folder: Path) -> None:
    from hiprobe.backbones.hf.weights import weights_digest
    from hiprobe.backbones.lite.wheels import damaged_files, is_assembled
    from hiprobe.backbones.model_folders import is_fetched
    from hiprobe.backbones.registry import loader_of

    _all(
        lambda: is_assembled(folder),
        lambda: damaged_files(folder),
        lambda: is_fetched(folder),
        lambda: weights_digest(folder),
        lambda: loader_of(folder),
    )


def _make_descriptions(folder: Path) -> None:
    lines = [json.dumps({"video": v, "descriptions": ["A street.", "A man."]}) for v in "ab"]
    (folder / "plain.jsonl").write_text("\n".join(lines))


def _pack_descriptions(folder: Path) -> None:
    path = folder / "plain.jsonl"
    if path.is_file() and path.stat().st_size < 1 << 30:
        (folder / "d.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))


def _read_descriptions(folder: Path) -> None:
    from hiprobe.reproduce.described_frames import _read

    _read(folder / "d.jsonl.gz")


_KEY = "a" * 40


def _make_cache(folder: Path) -> None:
    from hiprobe.store.states_cache import StatesCache

    kept = StatesCache(folder)
    video = VideoStates(states={"last": states(np.ones((3, 2, 4)))})
    kept.put(_KEY, video, video="camera.mp4")
    entry = next(folder.glob(f"{_KEY}-*.safetensors"))
    entry.rename(folder / f"{_KEY}-0.safetensors")
    parts = kept.parts(_KEY, layers=[1, 2], readings=["last"])
    parts.write(0, video.states, video="camera.mp4")
    parts.folder.rename(folder / f"{_KEY}-0.parts")
    (folder / "kept.json").write_text(json.dumps({"key": "k", "value": [1, float("nan")]}))
    (folder / "note.json").write_text(json.dumps({"stamp": [1, 2, 3, 4], "sha256": "0" * 64}))
    facts = {"clips": ["a"], "frames": 10, "fps": 25.0, "spans": [[0, 5]], "parts": [[0, 5, "s"]]}
    (folder / "joined.json").write_text(json.dumps(facts))
    line = {"version": 1, "key": ["a.mp4", 1, 2, 0], "mode": "full", "frames": 10, "fps": 25.0,
            "problem": "", "picture": None}  # fmt: skip
    (folder / "measured.jsonl").write_text(json.dumps(line))
    np.save(folder / "texts.npy", np.ones((2, 3), np.float32))


def _read_cache(folder: Path) -> None:
    from hiprobe.datasets import measure as measured_file
    from hiprobe.reproduce import described_frames as text_pass
    from hiprobe.reproduce import request as kept
    from hiprobe.reproduce import video_folds as joined
    from hiprobe.store import content_hash
    from hiprobe.store.states_cache import PartFiles, StatesCache

    kept._read(folder / "kept.json", "k")
    content_hash.read_note(folder / "note.json")
    joined._read(folder / "joined.json", ["a"])
    measured_file._read(folder / "measured.jsonl")
    text_pass._load(folder / "texts.npy", (2, 3))
    cache = StatesCache(folder)
    for entry in cache.entries():
        f"{entry.video} {entry.model} {entry.prompt} {len(entry.layers)}".encode(
            "utf-8", "surrogateescape"
        )
    parts = PartFiles(folder / f"{_KEY}-0.parts")
    parts.times()
    with suppress(StatesError):
        parts.read(0)
    cache.get(_KEY, layers=[1], readings=["last"])
    cache.prune(max_bytes=10**15, older_than_seconds=1e9)
    cache.prune(max_bytes=0)
    assert not cache.entries(), "prune left entries"


_PROBE_FILES = (
    ("probe.json", "json"), ("probe.json", "json"), ("probe.safetensors", "safetensors"),
    ("examples.safetensors", "safetensors"), ("reading.json", "json"),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    Kind("probe", _PROBE_FILES, _make_probe, _read_probe, _mend_probe),
    Kind("states", (("a.safetensors", "safetensors"),), _make_states, _read_states),
    Kind("layers", (("states.parquet", "parquet"), ("a.safetensors", "safetensors")),
         _make_states, _read_layer),
    Kind("lists", (("lists.json", "json"),), _make_scores, _of_scores("lists.json")),
    Kind("spans", (("spans.json", "json"),), _make_scores, _of_scores("spans.json")),
    Kind("npz", (("all.npz", "npz"),), _make_scores, _of_scores("all.npz")),
    Kind("npy", (("joined.npy", "npy"),), _make_scores, _of_scores("joined.npy")),
    Kind("npys", (("each/a.npy", "npy"),), _make_scores, _of_scores("each")),
    Kind("table", (("table.csv", "csv"),), _make_scores, _of_scores("table.csv")),
    Kind("detections", (("detections/a.json", "json"),), _make_scores, _of_scores("detections")),
    Kind("timeline", (("detections/a.json", "json"),), _make_scores, _read_detection),
    Kind("manifest", (("m.csv", "csv"),), _make_manifest, _of_manifest("m.csv")),
    Kind("parquet", (("m.parquet", "parquet"),), _make_manifest, _of_manifest("m.parquet")),
    Kind("clips", (("clips.csv", "csv"), ("spans.csv", "csv")), _make_manifest, _read_clips),
    Kind("prompts", (("p.json", "json"),), _make_prompts, _of_prompts("p.json")),
    Kind("prompt list", (("l.json", "json"),), _make_prompts, _of_prompts("l.json")),
    Kind("prompt lines", (("p.txt", "text"),), _make_prompts, _of_prompts("p.txt")),
    Kind("toml", (("p.toml", "text"),), _make_prompts, _of_prompts("p.toml")),
    Kind("result", (("r.json", "json"),), _make_result, _read_result),
    Kind("model", (
        ("manifest.json", "json"), ("hiprobe.json", "json"), ("config.json", "json"),
        ("model.safetensors.index.json", "json"), ("one.safetensors", "safetensors")),
        _make_model_folder, _read_model_folder),
    Kind("descriptions", (("plain.jsonl", "text"),), _make_descriptions, _read_descriptions,
         _pack_descriptions),
    Kind("cache", (
        (f"{_KEY}-0.safetensors", "safetensors"),
        (f"{_KEY}-0.parts/00000000.safetensors", "safetensors"),
        ("kept.json", "json"), ("note.json", "json"), ("joined.json", "json"),
        ("measured.jsonl", "json"), ("texts.npy", "npy")),
        _make_cache, _read_cache, tolerant=True),
)  # fmt: skip
