"""States of videos as files of one folder, which fitting and detection take in place of videos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.datasets.video_files import STATES_SUFFIX
from hiprobe.errors import StatesError
from hiprobe.names import path_text
from hiprobe.objects import exists
from hiprobe.pipeline.reading import DEFAULTS, ExtractionSettings
from hiprobe.pipeline.stream import extract_units
from hiprobe.progress import Progress
from hiprobe.segment import WHOLE, Stretch
from hiprobe.store.content_hash import content_hash
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states_header, write_states
from hiprobe.store.text_files import inside
from hiprobe.video.decode import FrameReader


@dataclass(frozen=True)
class Item:
    """A video to extract.

    Attributes:
        name: path of its file of states in the folder, without ending.
        clip: its label and stretch, where they are known.
    """

    video: Path
    name: str
    clip: LabelledClip | None = None

    @property
    def stretch(self) -> Stretch:
        """The part of the video that is read."""
        if self.clip is None:
            return WHOLE
        return Stretch(self.clip.start_seconds, self.clip.end_seconds)

    @property
    def part(self) -> str:
        """The stretch in words; empty for the whole video."""
        stretch = self.stretch
        if stretch == WHOLE:
            return ""
        end = "end" if stretch.end_seconds is None else f"{stretch.end_seconds:g}"
        return f"{stretch.start_seconds or 0:g}-{end}s"

    def target(self, folder: Path) -> Path:
        """Its file of states.

        Raises:
            OutsideFolderError: its name leads out of the folder.
        """
        return inside(folder, f"{self.name}{STATES_SUFFIX}")


def extract_to_file(
    item: Item,
    folder: Path,
    *,
    backbone: Backbone,
    settings: ExtractionSettings = DEFAULTS,
    cache: StatesCache | None = None,
    progress: Progress | None = None,
) -> bool:
    """Write the states of one video, by segment and over the whole clip; False if already there.

    A file is taken as it is if it was made of the same content, settings and backbone.

    Raises:
        VideoError, BackboneMemoryError, StatesError: as `extract_video`.
        StorageError: the folder cannot be written.
    """
    digest = content_hash(item.video) if cache is None else cache.content_hash(item.video)
    wanted = _request_digest(item, digest, backbone, settings)
    target = item.target(folder)
    if _made_by(target) == wanted:
        return False
    own = backbone.fingerprint.prompt
    whole, segments = extract_units(
        item.video,
        backbone=backbone,
        prompts=(own,),
        settings=settings,
        stretch=item.stretch,
        cache=cache,
        progress=progress,
    )
    notes = {"request": wanted, "sha256": digest, **_notes(item, settings)}
    write_states(target, replace(segments[own], clip=whole[own].clip), notes=notes)
    return True


def _request_digest(
    item: Item, digest: str, backbone: Backbone, settings: ExtractionSettings
) -> str:
    parts = [
        digest,
        [settings.key_parts(unit, item.stretch) for unit in ("segments", "clip")],
        backbone.fingerprint.digest,
        settings.layers_of(backbone.layer_count),
        sorted(settings.readings),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]


def _made_by(path: Path) -> str | None:
    if not exists(path):
        return None
    try:
        return str(read_states_header(path)["notes"].get("request"))
    except StatesError:
        return None  # damaged: made again


def _notes(item: Item, settings: ExtractionSettings) -> Mapping[str, str]:
    first = next(iter(FrameReader(item.video)))
    # For whoever reads the file; `fit` takes labels from the table beside it, so that a new label
    # makes no new file.
    label = {}
    if item.clip is not None:
        label = {
            "label": str(item.clip.label),
            "class": item.clip.class_name,
            "source": item.clip.source,
        }
    seconds = settings.segment_seconds
    return {
        "video": path_text(item.video.as_posix()),
        # With both a reader can go from seconds back to the pictures of the file.
        "first_pts": str(first.pts),
        "time_base_seconds": repr(first.time_base_seconds),
        "segment_seconds": "" if seconds is None else repr(seconds),
        **label,
    }
