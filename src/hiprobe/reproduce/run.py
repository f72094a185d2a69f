"""Run experiments one after the other on one extraction, and write each as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from hiprobe.errors import UsageError
from hiprobe.reproduce.bench import Bench
from hiprobe.reproduce.extraction import Extraction
from hiprobe.reproduce.kept import Kept
from hiprobe.reproduce.machine import machine_words
from hiprobe.reproduce.registry import EXPERIMENTS, Experiment, experiment
from hiprobe.reproduce.request import DEFAULT_DRAWS, DEFAULT_FOLDS, DEFAULT_SHARE, Request
from hiprobe.reproduce.result import ExperimentResult
from hiprobe.reproduce.writer import write_result

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
        else:
            chosen.append(_with_data(experiment(name), data_sets))
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
    kept = Kept(request.out / KEPT_FOLDER / one.name)
    findings = one.load()(Bench(request, extraction, kept, say))
    result = ExperimentResult(
        name=one.name,
        title=one.title,
        findings=findings,
        command=command_words(request, one.name),
        machine=machine_words(),
        backbone=extraction.backbone_words(),
        data={d.name: findings.data.get(d.name) or extraction.summary(d) for d in request.data},
        seconds=time.monotonic() - began,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    write_result(result, request.out / one.name)
    return result


def command_words(request: Request, name: str) -> str:
    """The command that gives this result; a path is shown by its last two parts."""
    words = ["hiprobe", "reproduce", name]
    for data in request.data:
        words += ["--data", "/".join(data.path.parts[-2:])]
    for normal in dict.fromkeys(n for data in request.data for n in data.normal):
        words += ["--normal", f'"{normal}"' if " " in normal else normal]
    folder = request.backbone.rstrip("/").rpartition("/")[2]
    words += ["--backbone", folder or request.backbone]
    words += ["--prompt", f'"{request.prompt}"'] if request.prompt else []
    words += [w for r in request.readings for w in ("--reading", r)]
    words += ["--mode", request.mode, "--seeds", str(len(request.seeds))]
    words += ["--first-seed", str(request.seeds[0])] if request.seeds[0] else []
    words += ["--folds", str(request.folds)] if request.folds != DEFAULT_FOLDS else []
    words += ["--draws", str(request.draws)] if request.draws != DEFAULT_DRAWS else []
    if request.labelled_share != DEFAULT_SHARE:
        words += ["--labelled-share", f"{request.labelled_share:g}"]
    if request.segment_seconds is not None:
        words += ["--segment-seconds", f"{request.segment_seconds:g}"]
    return " ".join(words)


def _with_data(one: Experiment, data_sets: int) -> Experiment:
    if data_sets < one.data_sets:
        raise UsageError(
            f"{one.name} needs {one.data_sets} data sets, {data_sets} given; add --data"
        )
    return one
