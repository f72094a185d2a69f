"""The truth that a user names: a packaged one, or that of a manifest."""

from __future__ import annotations

from pathlib import Path

from hiprobe.datasets.catalog import known_sets
from hiprobe.datasets.ground_truth import dataset_names, load_truth
from hiprobe.datasets.manifest import SUFFIXES, manifest_truth, read_manifest
from hiprobe.errors import EvaluationError, UsageError
from hiprobe.evaluation.truth import EndConvention, Truth


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
        return _of_manifest(path, split)
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
    return next((k.truth for k in known_sets() if name in k.aliases and k.truth), name)


def _of_manifest(path: Path, split: str | None) -> Truth:
    manifest = read_manifest(path=path)
    if split is None and manifest.split("test"):
        split = "test"
    try:
        return manifest_truth(manifest, split=split)
    except EvaluationError as error:
        raise EvaluationError(f"{path}: {error}") from error
