"""Tables 1 and 2: the full protocol on UCF-Crime and XD-Violence."""

from __future__ import annotations

from functools import partial

from hiprobe.datasets.check_folder import check_dataset
from hiprobe.datasets.known_sets import known_set
from hiprobe.datasets.manifest import (
    Manifest,
    ManifestRow,
    manifest_clips,
    read_manifest,
    write_manifest,
)
from hiprobe.datasets.transfer import draw_subset
from hiprobe.errors import EvaluationError, LabelError
from hiprobe.pipeline import extract_examples
from hiprobe.reproduce.clip_states import Bench
from hiprobe.reproduce.estimate import FRAME_AP, FRAME_AUC
from hiprobe.reproduce.experiment_result import Findings, ResultRow
from hiprobe.reproduce.frame_probe import FrameTest, TestVideo, VideoPart
from hiprobe.reproduce.pooled import SeedFit, pool_frames, score_videos
from hiprobe.reproduce.published_rows import (
    OURS_VISION,
    Protocol,
    Tested,
    floor_rows,
    own_rows,
    peer_rows,
    protocol_notes,
    source_note,
)
from hiprobe.reproduce.request import DataSource

UCF_CRIME = Protocol("table1", "ucf-crime", FRAME_AUC, "ucf")
XD_VIOLENCE = Protocol("table2", "xd-violence", FRAME_AP, "xd")
# Where the manifest does not say.
NOMINAL_FPS = 30.0


def table1(bench: Bench) -> Findings:
    """The table; `--data` is the root of UCF-Crime or its manifest."""
    return run_protocol(bench, UCF_CRIME)


def table2(bench: Bench) -> Findings:
    """The table; `--data` is the root of XD-Violence or its manifest."""
    return run_protocol(bench, XD_VIOLENCE)


def run_protocol(bench: Bench, protocol: Protocol) -> Findings:
    """The table, from a data set's root folder or its manifest.

    Raises:
        LabelError, DatasetError: the data set is not there, or has no training or test videos.
        EvaluationError: no test video can be read.
    """
    title = known_set(protocol.data_set).title
    rows: list[ResultRow] = []
    notes: list[str] = []
    words: dict[str, str] = {}
    for data in bench.request.data:
        manifest = _manifest(bench, protocol, data)
        plain, vision = bench.with_vision([row.video for row in manifest.rows[:1]])
        tested = _test(plain, protocol, data, manifest)
        rows += own_rows(tested, protocol, bench.request)
        if vision is not None:
            seen = _test(vision, protocol, data, manifest)
            rows += own_rows(seen, protocol, bench.request, method=OURS_VISION)
        rows += floor_rows(tested)
        notes += protocol_notes(tested, bench.request)
        train = len(tested.manifest.split("train"))
        words[data.name] = f"{title}: {train} training, {len(tested.rows)} test videos"
    rows += peer_rows(protocol.data_set, data=title, metric=protocol.headline)
    notes.append(source_note(protocol.data_set))
    return Findings(rows=tuple(rows), notes=tuple(notes), data=words)


def _manifest(bench: Bench, protocol: Protocol, data: DataSource) -> Manifest:
    """The manifest at a path, or the one that a check of the folder there makes."""
    try:
        return read_manifest(path=data.path)
    except LabelError:
        if not data.path.is_dir():
            raise
    bench.say(f"{data.name}: no manifest; looking at every video, as `hiprobe data check` does")
    with bench.extraction.listen(data.name) as progress:
        report = check_dataset(protocol.data_set, data.path, progress=progress)
    if report.manifest is None:
        raise LabelError(f"{data.path} holds no usable video of {protocol.data_set}")
    return report.manifest


def _test(bench: Bench, protocol: Protocol, data: DataSource, manifest: Manifest) -> Tested:
    """Fit under each seed, then read each test video once for all of them."""
    few = tuple(_draw(bench, protocol, manifest, seed) for seed in bench.request.seeds)
    fits = [_fit(bench, drawn, seed) for drawn, seed in zip(few, bench.request.seeds, strict=True)]
    rows, unknown = _test_rows(data, manifest)
    videos = [
        TestVideo(
            name=row.name,
            load=partial(bench.extraction.video, row.video),
            frames=row.frame_count or 0,
            fps=row.fps or NOMINAL_FPS,
            spans=row.spans,
            # The published split counts each test video as a source of its own.
            parts=(VideoPart(0, row.frame_count or 0, row.name),),
            joined=False,
        )
        for row in rows
    ]
    scored, lost = score_videos(bench, videos, fits)
    left = tuple(v for v in videos if v.name in scored)
    if not left:
        raise EvaluationError(f"none of {len(videos)} test videos could be read: {lost[:3]}")
    # without what was fitted on: the published split keeps sources apart, and says so itself
    test = FrameTest(data.name, (), left, (), "")
    tests = [
        fitted.scored(test, [scored[v.name][number] for v in left])
        for number, fitted in enumerate(fits)
    ]
    pools = tuple(pool for one in tests if (pool := pool_frames([one])) is not None)
    return Tested(
        data=data.name,
        manifest=manifest,
        pools=pools,
        few=few,
        rows=tuple(r for r in rows if r.name in scored),
        lost=(*lost, *unknown),
    )


def _draw(bench: Bench, protocol: Protocol, manifest: Manifest, seed: int) -> Manifest:
    """The labelled videos of a seed, written to the folder of the results."""
    share = bench.request.labelled_share
    # Written down so that others can fit on the same few videos.
    drawn = draw_subset(manifest, fraction=share, seed=seed, split="train")
    write_manifest(drawn, path=bench.request.out / protocol.name / f"few-shot-seed{seed}.csv")
    return drawn


def _fit(bench: Bench, drawn: Manifest, seed: int) -> SeedFit:
    extraction = bench.extraction
    examples, failures = extract_examples(
        manifest_clips(drawn),
        backbone=extraction.backbone,
        settings=extraction.settings(readings=(bench.request.reading,)),
        cache=extraction.cache,
    )
    bench.say(f"{drawn.dataset}, seed {seed}: {len(examples)} labelled videos")
    if {e.label for e in examples} != {0, 1}:
        reason = failures[0].reason if failures else "no reason known"
        raise LabelError(f"seed {seed}: labelled videos of one kind only are left ({reason})")
    return SeedFit.of(examples, request=bench.request, seed=seed)


def _test_rows(data: DataSource, manifest: Manifest) -> tuple[list[ManifestRow], list[str]]:
    """Test videos whose frames are known, and one sentence for each other one."""
    rows = manifest.split("test")
    known = [r for r in rows if r.annotated and r.frame_count is not None]
    if not known:
        raise LabelError(
            f"{data.name}: of {len(rows)} test videos none has a frame count and known abnormal "
            "frames; `hiprobe data check` writes a manifest that has"
        )
    return known, [f"{r.name}: no spans or no frame count" for r in rows if r not in known]
