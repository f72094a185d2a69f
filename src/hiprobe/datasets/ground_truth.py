"""Frame-level ground truth: packaged, or of a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hiprobe.datasets.known_sets import BUILT_IN
from hiprobe.datasets.manifest import SUFFIXES, manifest_truth, read_manifest
from hiprobe.errors import EvaluationError, UsageError
from hiprobe.evaluation.truth import EndConvention, Truth, VideoTruth

_FACTS = resources.files("hiprobe.datasets") / "facts"

FORMAT = "hiprobe-ground-truth"
VERSION = 1


def dataset_names() -> tuple[str, ...]:
    """Names that `load_truth` knows; a split other than the test split is part of the name."""
    files = (f.name for f in _FACTS.iterdir())
    return tuple(sorted(f.removesuffix(".json") for f in files if f.endswith(".json")))


def load_truth(name: str, *, spans: str | None = None, end: EndConvention | None = None) -> Truth:
    """Ground truth of a test set, or of the split that its name ends with (`ubnormal-val`).

    Args:
        name: one of `dataset_names()`.
        spans: `official` (default), or for UCF-Crime `alternative`, the other set in
            circulation, which differs on 14 videos.
        end: whether a span's end frame is abnormal; the default is the data set's own
            (`inclusive` for UCF-Crime, `half-open` for the others).

    Raises:
        EvaluationError: no such data set or set of spans.
    """
    facts = _facts(name)
    chosen, known = spans or "official", span_sets(name)
    if chosen not in known:
        raise EvaluationError(f"{name} has no spans {chosen!r}; choose {' or '.join(known)}")
    videos = []
    for video, frames, kind, *sets in facts["videos"]:
        # A video that is the same in all sets of spans has them once.
        own = sets[min(known.index(chosen), len(sets) - 1)]
        pairs = tuple((int(a), int(b)) for a, b in own)
        videos.append(VideoTruth(video, frames, pairs, tuple(kind.split("+"))))
    return Truth(
        name=name,
        videos=tuple(videos),
        end=end or facts["end"],
        spans=chosen,
        fps=facts["fps"],
        split=facts["split"],
        source="; ".join(facts["sources"]),
    )


def span_sets(name: str) -> tuple[str, ...]:
    """Names of the sets of spans in circulation; the first is the default.

    Raises:
        EvaluationError: no such data set.
    """
    # a row holds name, frames, class and one set of spans; a fifth cell is the other set
    two = any(len(row) > 4 for row in _facts(name)["videos"])
    return ("official", "alternative") if two else ("official",)


def training_videos(name: str) -> dict[str, tuple[str, ...]]:
    """Names of the official training list with their classes, in the order of the list.

    Returns:
        Name to classes, `("normal",)` where nothing abnormal happens; empty where no list is
        packaged.

    Raises:
        EvaluationError: no such data set.
    """
    lists: Mapping[str, list[str]] = _facts(name)["train"]
    return {video: tuple(kind.split("+")) for kind, own in lists.items() for video in own}


@cache
def _facts(name: str) -> dict[str, Any]:
    known = dataset_names()
    if name not in known:
        # better said than only "unknown": the set is known, and its test spans may not be passed on
        other = [k for k in known if k in (f"{name}-val", f"{name}-train")]
        if other:
            raise EvaluationError(
                f"the spans of the test split of {name} are not part of the package, only those "
                f"of {' and '.join(other)}; name that split, and compare it with no figure on the "
                "test set"
            )
        raise EvaluationError(f"no data set {name!r}; choose one of {', '.join(known)}")
    text = (_FACTS / f"{name}.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    if facts["format"] != FORMAT or facts["version"] != VERSION:
        raise EvaluationError(
            f"ground truth of {name} is {facts['format']} {facts['version']}; expected {FORMAT} "
            f"{VERSION}: install HiProbe again"
        )
    return facts


def find_truth(
    name: str,
    *,
    split: str | None = None,
    spans: str | None = None,
    end: EndConvention | None = None,
) -> Truth:
    """Frame-level truth by the name of a data set, another name of it, or a manifest's path.

    Args:
        split: split of a manifest; None takes its test split, or all of it where it has none.
        spans, end: of a packaged truth only; a manifest's spans have been read already.

    Raises:
        UsageError: an option that does not go with the kind of truth.
        EvaluationError: no such data set, or a video without frame count or spans.
        LabelError: the manifest cannot be read.
    """
    path = Path(name)
    if _is_manifest(name):
        if spans is not None or end is not None:
            raise UsageError(
                f"the spans of {path} were read when it was written; give --spans and --end to "
                "`hiprobe data check`, which writes it"
            )
        manifest = read_manifest(path=path)
        if split is None and manifest.split("test"):
            split = "test"
        try:
            return manifest_truth(manifest, split=split)
        except EvaluationError as error:
            raise EvaluationError(f"{path}: {error}") from error
    truth = load_truth(_in_full(name), spans=spans, end=end)
    if split not in (None, truth.split):
        raise UsageError(
            f"the package has the {truth.split} split of {name} only; for another one give a "
            "manifest of `hiprobe data check`"
        )
    return truth


def _is_manifest(name: str) -> bool:
    path = Path(name)
    if name in dataset_names():
        return False
    if _in_full(name) in dataset_names():  # a folder of that name may hold just the videos
        return (path / "manifest.csv").is_file()
    return path.suffix.lower() in SUFFIXES or path.is_dir()


def _in_full(name: str) -> str:
    """`cuhk-avenue` for `avenue`, and so on."""
    # by our own sets alone: a package that adds a set cannot change which truth a name means
    return next((k.truth for k in BUILT_IN if name in k.aliases and k.truth), name)
