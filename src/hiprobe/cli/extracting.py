"""`hiprobe extract`: states of many videos into one folder, which fit and detect take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from hiprobe.cli.failures import Failures
from hiprobe.cli.inputs import expand_videos, parse_layers, result_names
from hiprobe.cli.options import SessionOptions
from hiprobe.cli.progress import progress_bar
from hiprobe.cli.session import Session, open_session
from hiprobe.pipeline import extract_clip, extract_video
from hiprobe.states import Reading, VideoStates
from hiprobe.store.states_file import write_states


def extract_all(
    named: Sequence[str],
    *,
    out: Path,
    layers: str,
    readings: tuple[Reading, ...],
    how: SessionOptions,
) -> None:
    """Extract the states of every video into `out`; a bad one is listed at the end."""
    files, failures = expand_videos(named), Failures()
    session = open_session(how)
    chosen = parse_layers(layers, layer_count=session.backbone.layer_count)
    session = replace(session, settings=replace(session.settings, layers=chosen, readings=readings))
    for file, name in zip(files, result_names(files), strict=True):
        with failures.of(file):
            target = out / f"{name}.safetensors"
            write_states(target, _extract(file, session), notes={"video": file.name})
            click.echo(str(target))
    failures.finish()


def _extract(video: Path, session: Session) -> VideoStates:
    """Segments and whole clip of one video."""
    backbone, settings, cache = session.backbone, session.settings, session.cache
    clip = extract_clip(video, backbone=backbone, settings=settings, cache=cache)
    with progress_bar(video.name, quiet=session.quiet) as progress:
        segments = extract_video(
            video, backbone=backbone, settings=settings, cache=cache, progress=progress
        )
    return replace(segments, clip=clip.clip)
