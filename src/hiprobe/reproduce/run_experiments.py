"""Run experiments one after the other, and write each as it is done."""

from __future__ import annotations

import platform
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from hiprobe.errors import UsageError
from hiprobe.machine import processor_name
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.experiment_result import ExperimentResult
from hiprobe.reproduce.request import (
    DEFAULT_DRAWS,
    DEFAULT_FOLDS,
    DEFAULT_SHARE,
    EXPERIMENTS,
    Experiment,
    FinishedPieces,
    ReproduceRequest,
    experiment,
)
from hiprobe.reproduce.result_pages import write_result
from hiprobe.settings import usable_processors
from hiprobe.spec import BackboneSpec

ALL = "all"
KEPT_FOLDER = ".kept"


def chosen_experiments(names: Sequence[str], *, data_sets: int) -> tuple[Experiment, ...]:
    """The experiments of some names; `all` stands for those that run on any labelled clips.

    Raises:
        UsageError: a name is unknown, or one needs more data sets than there are.
    """
    chosen: list[Experiment] = []
    for name in names:
        if name == ALL:
            chosen += [e for e in EXPERIMENTS if e.in_all and e.data_sets <= data_sets]
            continue
        one = experiment(name)
        if data_sets < one.data_sets:
            raise UsageError(
                f"{one.name} needs {one.data_sets} data sets, {data_sets} given; add --data"
            )
        chosen.append(one)
    return tuple(dict.fromkeys(chosen))


def run_experiments(
    chosen: Sequence[Experiment], extraction: Extraction, *, say: Callable[[str], None]
) -> Iterator[ExperimentResult]:
    """Run and write each; a result that is done stays, whatever happens to the next.

    Raises:
        HiProbeError: as the experiment.
    """
    for one in chosen:
        say(f"{one.name}: {one.title}")
        yield run_one(one, extraction, say=say)


def run_one(
    one: Experiment, extraction: Extraction, *, say: Callable[[str], None]
) -> ExperimentResult:
    """Run one experiment and write its folder."""
    request, began = extraction.request, time.monotonic()
    kept = FinishedPieces(request.out / KEPT_FOLDER / one.name)
    findings = one.load()(Bench(request, extraction, kept, say))
    result = ExperimentResult(
        name=one.name,
        title=one.title,
        findings=findings,
        command=shlex.join(command_words(request, one.name)),
        machine=machine_words(),
        backbone=extraction.backbone_words(),
        data={d.name: findings.data.get(d.name) or extraction.summary(d) for d in request.data},
        seconds=time.monotonic() - began,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    # Written at once: an error in the next experiment must not lose this one.
    write_result(result, request.out / one.name)
    return result


def command_words(request: ReproduceRequest, name: str) -> list[str]:
    """The words of the command that gives this result.

    A path is shown by its last two parts, a backbone's folder by its name: results are published,
    and where things lie on this machine is not.
    """
    words = ["hiprobe", "reproduce", name]
    for data in request.data:
        words += ["--data", "/".join(data.path.parts[-2:])]
    for normal in dict.fromkeys(n for data in request.data for n in data.normal):
        words += ["--normal", normal]
    words += _shown(request.backbone).command_words()
    words += [w for r in request.readings for w in ("--reading", r)]
    # always told: the default here is not that of `fit`
    words += ["--mode", request.mode, "--seeds", str(len(request.seeds))]
    # Only what differs from the defaults, so that printed commands stay short.
    words += ["--first-seed", str(request.seeds[0])] if request.seeds[0] else []
    words += ["--folds", str(request.folds)] if request.folds != DEFAULT_FOLDS else []
    words += ["--draws", str(request.draws)] if request.draws != DEFAULT_DRAWS else []
    if request.labelled_share != DEFAULT_SHARE:
        words += ["--labelled-share", _plain(request.labelled_share)]
    if request.segment_seconds is not None:
        words += ["--segment-seconds", _plain(request.segment_seconds)]
    return words


def _shown(spec: BackboneSpec) -> BackboneSpec:
    """The spec without the place of a folder; the name of the default one is written out."""
    folder = Path(spec.known_as).expanduser()
    return replace(spec, name=folder.absolute().name if folder.is_dir() else spec.known_as)


def _plain(value: float) -> str:
    """A number as short as it can be without becoming another one."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


LIBRARIES = ("numpy", "scikit-learn", "torch", "transformers")


def machine_words() -> str:
    """Processor, cores that may be used, Python and the libraries that results depend on."""
    usable = usable_processors()
    cores = "1 core" if usable == 1 else f"{usable} cores"
    versions = ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)
    return f"{processor_name()}, {cores}, Python {platform.python_version()}, {versions}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
