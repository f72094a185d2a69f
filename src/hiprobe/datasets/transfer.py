"""Clone a data set, draw the videos to label, and pack pictures as videos."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hiprobe.datasets.data_set import KnownSet
from hiprobe.datasets.files_found import PICTURE_SUFFIXES, natural
from hiprobe.datasets.manifest import Manifest, ManifestRow
from hiprobe.datasets.measure import read_picture
from hiprobe.errors import DatasetError, DownloadError, LabelError, UsageError, VideoError
from hiprobe.failures import storage_error
from hiprobe.progress import Clock, Progress
from hiprobe.store.text_files import inside

Tell = Callable[[str], None]

# A transfer that stays below 1 kB/s for this long is given up.
STALLED_SECONDS = 60


# Finer than for watching: these are the frames that will be measured.
CRF = 14


def how_to_get(known: KnownSet, root: Path | str = "ROOT") -> str:
    """Where a data set can be got, and what to place where below `root`."""
    place = "\n".join(f"  {line}".replace("ROOT", str(root)) for line in known.place)
    return (
        f"{known.title}\n"
        f"Licence: {known.licence}\n"
        f"Ask at:  {known.ask}\n"
        f"Place (any one folder; several layouts are recognised):\n{place}\n"
        f"Then:    hiprobe data check {known.name} {root} -o manifest.csv"
    )


def clone(
    known: KnownSet, *, folder: Path, offline: bool = False, tell: Tell | None = None
) -> None:
    """Clone the set's repository into `folder`, whole or not at all.

    Git asks for no password and uses the user's own settings, such as a proxy. A transfer that
    stands still for a minute is given up. Git cannot go on with half a clone: the next one begins
    again.

    Args:
        tell: takes git's own lines of progress, such as `Receiving objects:  45% (9/20)`.

    Raises:
        UsageError: the set has no public repository, or `folder` holds something.
        DownloadError: no network, no git, or git failed; the message says what to do instead.
        StorageError: `folder` cannot be written.
    """
    if known.clone is None:
        steps = how_to_get(known, folder).split("\n")
        raise UsageError(f"{known.name} has no public repository", *steps)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} holds something; `hiprobe data check {known.name} {folder}` looks at it"
        )
    if offline:
        raise _by_hand(known, folder, "HIPROBE_OFFLINE or HF_HUB_OFFLINE is set")
    git = shutil.which("git")
    if git is None:
        raise _by_hand(known, folder, "git is not installed")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # In the target's parent folder, so that renaming puts a whole clone in place in one step.
        with tempfile.TemporaryDirectory(prefix=".clone-", dir=folder.parent) as temporary:
            _run(git, known, Path(temporary) / "set", folder, tell or (lambda _: None))
            (Path(temporary) / "set").replace(folder)
    except OSError as error:
        raise storage_error(folder, error) from error


def draw_subset(
    manifest: Manifest, *, fraction: float, seed: int, split: str | None = None
) -> Manifest:
    """Draw videos, stratified by label and then by class.

    As many as `fraction` of the split, rounded, and at least one normal and one anomalous. Each
    label, and within it each class (the first of several), gets its share, remainders to the
    largest; a class with less than one video's share may get none. The same seed on the same
    names draws the same videos, wherever the files lie.

    Args:
        manifest: all videos.
        fraction: share of the split to draw, above 0 and at most 1.
        seed: of the draw.
        split: where to draw from; None takes `train`, or all where the set has no split.

    Raises:
        UsageError: `fraction` is not in (0, 1].
        LabelError: the split has no videos of one kind.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction is {fraction}; give one above 0, at most 1 (1 % is 0.01)")
    splits = {r.split for r in manifest.rows}
    chosen = split
    if chosen is None:
        if "train" not in splits and splits != {""}:
            raise LabelError(
                f"{manifest.dataset} has the splits {', '.join(sorted(splits))} and no train; say "
                "which"
            )
        chosen = "train" if "train" in splits else ""
    # By name, so that neither the order of the table nor the place of the files counts.
    pool = sorted(manifest.split(chosen), key=lambda r: r.name)
    kinds = {str(label): [r for r in pool if r.label == label] for label in (0, 1)}
    if not all(kinds.values()):
        raise LabelError(
            f"{manifest.dataset}, split {chosen or 'all'}: {len(kinds['0'])} normal and "
            f"{len(kinds['1'])} anomalous videos; a fit needs both. Draw from another split"
        )
    rng = np.random.default_rng(seed)
    total = max(2, round(fraction * len(pool)))
    shares = _shares({k: len(v) for k, v in kinds.items()}, total, rng)
    names: set[str] = set()
    for kind, rows in kinds.items():
        names |= _draw(rows, min(max(1, shares[kind]), total - 1), rng)
    note = f"{fraction * 100:g} % of {chosen or 'all'}, seed {seed}, stratified by class"
    drawn = tuple(r for r in manifest.rows if r.split == chosen and r.name in names)
    return replace(manifest, rows=drawn, note=note)


def pack_manifest(
    manifest: Manifest, *, folder: Path, progress: Progress | None = None
) -> Manifest:
    """Write each folder of pictures as `folder/SPLIT/NAME.mp4`, one frame for each picture.

    Videos that are files stay where they are. A video that is there with its frames is not
    written again, so that an interrupted run goes on. Odd sides grow by one line of pixels.

    Args:
        folder: where the videos are written.

    Raises:
        DatasetError: a folder of pictures has changed since the check.
        VideoError: a picture cannot be read.
        StorageError: a video cannot be written, or its name leads out of the folder.
    """
    clock = Clock(progress, len(manifest.rows))
    rows = []
    for done, row in enumerate(manifest.rows):
        clock.name = row.name
        clock.tell(done, seconds_of_video=0)
        rows.append(_packed(row, folder) if row.video.is_dir() else row)
    return replace(manifest, rows=tuple(rows))


def _run(git: str, known: KnownSet, target: Path, folder: Path, tell: Tell) -> None:
    patience = ["-c", "http.lowSpeedLimit=1000", "-c", f"http.lowSpeedTime={STALLED_SECONDS}"]
    command = [git, *patience, "clone", "--depth", "1", "--progress", str(known.clone), str(target)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,  # which also makes the \r between git's lines of progress a line end
        errors="replace",
        # Without a terminal prompt git fails where it would wait for a password.
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
    ) as running:
        lines: deque[str] = deque(maxlen=20)
        try:
            for line in running.stderr or ():
                lines.append(line.strip())
                tell(line.strip())
        except BaseException:
            running.terminate()
            raise
    if running.returncode:
        raise _by_hand(known, folder, _reason(lines))


def _reason(lines: Sequence[str]) -> str:
    """Git's own reason, and what it means where its words mislead."""
    errors = [line for line in lines if line.startswith(("fatal:", "error:"))]
    reason = (
        errors[-1] if errors else next((line for line in reversed(lines) if line), "none given")
    )
    if "could not read Username" in reason:
        reason += ": it is no longer public there, or has moved"
    return reason


def _by_hand(known: KnownSet, folder: Path, reason: str) -> DownloadError:
    return DownloadError(
        f"cannot clone {known.clone} ({reason}). Nothing was left in {folder}.",
        "With a network here, run the same command again. Without one, on a machine that has it:",
        f"  git clone --depth 1 {known.clone}",
        f"(or load the ZIP that this page offers), copy the folder here to {folder}, then run",
        f"  hiprobe data check {known.name} {folder} -o manifest.csv",
    )


def _draw(rows: Sequence[ManifestRow], count: int, rng: np.random.Generator) -> set[str]:
    classes: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        classes[row.classes[0]].append(row.name)
    shares = _shares({k: len(v) for k, v in classes.items()}, count, rng)
    return {
        str(name)
        for kind, names in sorted(classes.items())
        for name in rng.choice(names, size=shares[kind], replace=False)
    }


def _shares(sizes: Mapping[str, int], total: int, rng: np.random.Generator) -> dict[str, int]:
    """`total` shared out by size, largest remainders first; equal ones in random order."""
    whole = sum(sizes.values())
    exact = {k: total * n / whole for k, n in sorted(sizes.items())}
    shares = {k: int(v) for k, v in exact.items()}
    order = rng.permutation(list(exact))
    by_remainder = sorted(map(str, order), key=lambda k: shares[k] - exact[k])
    # so many are left over by rounding down, fewer than there are kinds
    for kind in by_remainder[: total - sum(shares.values())]:
        shares[kind] += 1
    return shares


def _packed(row: ManifestRow, folder: Path) -> ManifestRow:
    from hiprobe.video.write import write_video

    target = inside(folder, f"{row.split or 'all'}/{row.name}.mp4")
    pictures = sorted(
        (p for p in row.video.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES),
        key=lambda p: natural(p.name),
    )
    if row.frame_count is not None and len(pictures) != row.frame_count:
        raise DatasetError(
            f"{row.video} has {len(pictures)} pictures, the manifest says {row.frame_count}; run "
            "`hiprobe data check` again"
        )
    if not _is_there(target, len(pictures)):
        frames = (read_picture(p) for p in pictures)
        write_video(target, frames, fps=row.fps or 25.0, crf=CRF)
    return replace(row, video=target)


def _is_there(target: Path, frames: int) -> bool:
    from hiprobe.video.clip import read_clip

    try:
        return target.is_file() and read_clip(target, key_frames=1).frame_count == frames
    except VideoError:
        return False
