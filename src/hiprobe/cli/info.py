"""`hiprobe info`: what a probe, a video or a file of states is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hiprobe.cli.console import echo
from hiprobe.names import shown
from hiprobe.objects import is_folder

if TYPE_CHECKING:
    from hiprobe.video.video_info import VideoInfo


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PROBE|VIDEO|STATES...")
def info(paths: tuple[str, ...]) -> None:
    """Show what a probe folder, a video or a file of extracted states contains.

    \b
    Examples:
      hiprobe info my-probe
      hiprobe info camera.mp4 states.safetensors
    """
    from hiprobe.cli.run_files import Failures

    failures, printed = Failures(), 0
    for name in paths:
        with failures.of(Path(name)):
            facts = _facts(Path(name))
            if printed:
                echo("")
            _print(facts)
            printed += 1
    failures.finish(alone=len(paths) == 1)


def _print(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for key, value in facts.items():
        words = f"{value:.3f}" if isinstance(value, float) else shown(value)
        echo(f"{key.replace('_', ' '):<{width}}  {words}")


def _facts(path: Path) -> dict[str, Any]:
    from hiprobe.datasets.video_files import is_states_name

    if is_folder(path):
        return _probe_facts(path)
    return _states_facts(path) if is_states_name(path) else _video_facts(path)


def _probe_facts(folder: Path) -> dict[str, Any]:
    from hiprobe.probe import Probe
    from hiprobe.probe.reading_file import read_record

    probe, record = Probe.load(folder), read_record(folder)
    facts: dict[str, Any] = {"probe": folder, **probe.facts()}
    made = probe.provenance_
    facts["segments"] = "unknown" if made is None else made.cut.segment_words
    if made is not None and made.backbone is not None:
        facts["backbone"] = made.backbone.known_as
    if record is not None and record.failures:
        count = len(record.failures)
        clips = "1 clip" if count == 1 else f"{count} clips"
        facts["left out"] = f"{clips} that could not be used"
    return facts


def _states_facts(path: Path) -> dict[str, Any]:
    from hiprobe.store.states_file import read_states

    video = read_states(path)
    first = next(iter([*video.states.values(), *video.clip.values()]))
    return {
        "states": path,
        "backbone": f"{first.fingerprint.model} ({first.fingerprint.digest})",
        "prompt": first.fingerprint.prompt,
        "layers": f"{len(first.layers)} of {first.layer_count}, width {first.width}",
        "segments": ", ".join(f"{len(s)} read at {r}" for r, s in video.states.items()) or "none",
        "whole clip": ", ".join(f"read at {r}" for r in video.clip) or "none",
        "ended": video.outcome,
    }


def _video_facts(path: Path) -> dict[str, Any]:
    from hiprobe.cli.console import format_bytes
    from hiprobe.video.video_info import video_info

    found = video_info(path)
    times = {"times": "none in the file; counted at its frame rate"} if found.is_bare else {}
    return {
        "video": path,
        "size": format_bytes(found.size_bytes),
        "container": found.container,
        "codec": f"{found.codec}, {found.pixel_format}",
        "picture": _picture_words(found),
        "frames a second": _or_unknown(found.fps_from_header),
        "seconds": _or_unknown(found.duration_seconds_from_header),
        "frames": found.frame_count_from_header or "not stated in the header",
        "audio": "yes" if found.has_audio else "no",
        **times,
    }


def _picture_words(found: VideoInfo) -> str:
    """Size as players show it, and how the stored picture was changed to get there."""
    words = [f"{found.width}x{found.height}"]
    if found.rotation_degrees:
        words.append(f"turned by {found.rotation_degrees} degrees")
    if found.mirrored:
        words.append("mirrored")
    if found.pixel_aspect != 1.0:
        words.append(f"stored pixels are {found.pixel_aspect:.3f} times as wide as high")
    return ", ".join(words)


def _or_unknown(value: float | None) -> str:
    return "not stated in the header" if value is None else f"{value:.3f}"
