"""Write the packaged ground truth from the published files.

    python scripts/build_ground_truth.py FOLDER [--out src/hiprobe/datasets/facts]

FOLDER holds the files as their authors published them, under the names in `SOURCES`. Only
facts are kept: names, frame counts, spans, classes and splits. One JSON file for each data set,
one video a line, so that a change is seen in a diff.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from hiprobe.datasets.known_sets import XD_CLASSES

SOURCES = {
    "ucf_crime_temporal_annotation.txt": "UCF-Crime temporal annotation (Sultani et al., CVPR "
    "2018): official test spans",
    "ucf_crime_train.txt": "UCF-Crime official training list (Sultani et al., CVPR 2018)",
    "ucf_crime_test.txt": "UCF-Crime official test list (Sultani et al., CVPR 2018)",
    "ucf_crime_frames_and_alternative_spans.json": "VERA repository: frame counts of the "
    "UCF-Crime test videos and the alternative spans in circulation",
    "xd_violence_annotations.txt": "XD-Violence test annotation (Wu et al., ECCV 2020): spans",
    "xd_violence_test_frames.json": "VERA repository: frame counts of the XD-Violence test "
    "videos (its spans are not used)",
    "frame_ground_truth.json": "AnomalyRuler repository (MIT): frame counts and spans",
}
UCF_NORMAL = ("Normal", "Testing_Normal_Videos_Anomaly", "Training_Normal_Videos_Anomaly")
SMALL_SETS = {
    "ucsd_ped2": ("ucsd-ped2", "UCSD Ped2", 10.0),
    "cuhk_avenue": ("cuhk-avenue", "CUHK Avenue", 25.0),
    "shanghaitech": ("shanghaitech", "ShanghaiTech Campus", 24.0),
    "ubnormal": ("ubnormal-val", "UBnormal, the 64 validation videos", 30.0),
}
Document = dict[str, Any]


def main() -> None:
    """Write every data set's file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the published files")
    default = Path(__file__).resolve().parent.parent / "src" / "hiprobe" / "datasets" / "facts"
    parser.add_argument("--out", type=Path, default=default)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    for document in (
        ucf_crime(wanted.folder),
        xd_violence(wanted.folder),
        *small_sets(wanted.folder),
    ):
        target = wanted.out / f"{document['name']}.json"
        target.write_text(as_lines(document), encoding="utf-8")
        print(f"{target}: {len(document['videos'])} videos of the {document['split']} split")


def ucf_crime(folder: Path) -> Document:
    """UCF-Crime: both span sets, and the split."""
    published = json.loads(
        (folder / "ucf_crime_frames_and_alternative_spans.json").read_text(encoding="utf-8")
    )
    other = {Path(v["video"]).name: v for v in published}
    videos = []
    for name, kind, *numbers in lines(folder / "ucf_crime_temporal_annotation.txt"):
        spans = pairs([int(n) for n in numbers])
        row = [name, other[name]["length"], ucf_class(kind), spans]
        alternative = pairs(other[name]["temporal_label"])
        videos.append(row if alternative == spans else [*row, alternative])
    listed = {Path(line[0]).name for line in lines(folder / "ucf_crime_test.txt")}
    if listed != {row[0] for row in videos}:
        raise SystemExit("the test list and the annotation name different videos")
    train = defaultdict(list)
    for (entry,) in lines(folder / "ucf_crime_train.txt"):
        kind, name = entry.split("/")
        train[ucf_class(kind)].append(name)
    facts = {"title": "UCF-Crime", "split": "test", "fps": 30.0, "end": "inclusive"}
    return document("ucf-crime", facts, "ucf_crime", videos, train)


def xd_violence(folder: Path) -> Document:
    """XD-Violence: a span line may name a video with or without `.mp4`."""
    spans = {
        line[0].removesuffix(".mp4"): pairs([int(n) for n in line[1:]])
        for line in lines(folder / "xd_violence_annotations.txt")
    }
    published = json.loads((folder / "xd_violence_test_frames.json").read_text(encoding="utf-8"))
    videos = []
    for video in published:
        codes = video["video"].rsplit("label_", 1)[1].split("-")
        kinds = "+".join(XD_CLASSES[c] for c in codes if c != "0")
        videos.append([video["video"], video["length"], kinds, spans.pop(video["video"], [])])
    if spans:
        raise SystemExit(f"annotated, but without a frame count: {sorted(spans)[:3]}")
    facts = {"title": "XD-Violence", "split": "test", "fps": 24.0, "end": "half-open"}
    return document("xd-violence", facts, "xd_violence", videos, {})


def small_sets(folder: Path) -> list[Document]:
    """The sets that one published file holds, already half-open and counted from 0."""
    published = json.loads((folder / "frame_ground_truth.json").read_text(encoding="utf-8"))
    documents = []
    for key, (name, title, fps) in SMALL_SETS.items():
        videos = [
            [video, facts["frames"], "abnormal" if facts["spans"] else "normal", facts["spans"]]
            for video, facts in published[key].items()
        ]
        split = "val" if name.endswith("-val") else "test"
        facts = {"title": title, "split": split, "fps": fps, "end": "half-open"}
        documents.append(document(name, facts, "frame_ground_truth", videos, {}))
    return documents


def document(
    name: str, facts: Document, prefix: str, videos: list[list[Any]], train: dict[str, list[str]]
) -> Document:
    """One split of a data set; `fps` is nominal."""
    sources = [text for file, text in SOURCES.items() if file.startswith(prefix)]
    head = {"format": "hiprobe-ground-truth", "version": 1, "name": name, **facts}
    return {**head, "sources": sources, "videos": videos, "train": dict(train)}


def lines(path: Path) -> list[list[str]]:
    """Words of every line that has some."""
    return [
        words for line in path.read_text(encoding="utf-8").splitlines() if (words := line.split())
    ]


def pairs(numbers: list[int]) -> list[list[int]]:
    """Spans of a flat list; -1 stands for none."""
    both = zip(numbers[::2], numbers[1::2], strict=True)
    return [[start, end] for start, end in both if start >= 0]


def ucf_class(kind: str) -> str:
    """Class in lower case."""
    return "normal" if kind in UCF_NORMAL else kind.lower()


def as_lines(document: Document) -> str:
    """JSON with one video and one training class a line."""
    parts = []
    for key, value in document.items():
        text = json.dumps(value, ensure_ascii=False)
        if key == "videos":
            text = "[\n" + ",\n".join(compact(row) for row in value) + "\n]"
        if key == "train" and value:
            text = (
                "{\n" + ",\n".join(f"{compact(k)}:{compact(v)}" for k, v in value.items()) + "\n}"
            )
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
