"""What a user wants to know of all backbones before fetching one.

Importing this module loads no torch: the command line lists backbones without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hiprobe.backbones.catalogue import Entry, catalogue
from hiprobe.backbones.hub.places import Place, locate, own_folder
from hiprobe.backbones.lite.shape import LiteShape
from hiprobe.backbones.own import OWN, Own
from hiprobe.backbones.shape import Shape
from hiprobe.settings import backbones_folder


@dataclass(frozen=True)
class BackboneInfo:
    """What a user wants to know before fetching a backbone.

    Attributes:
        name: short name.
        hub: `owner/name` on the hub; None for one that HiProbe puts together itself.
        summary: what it is.
        parameters: of the whole model.
        licence: of its weights, in short.
        download_bytes, size_bytes: about what is fetched, and what lies on the disk then.
        folder: where it lies, or would be put.
        place: whose folder that is; None where it is not on this disk.
        shape: for counting what a segment costs.
    """

    name: str
    hub: str | None
    summary: str
    parameters: int
    licence: str
    download_bytes: int
    size_bytes: int
    folder: Path
    place: Place | None
    shape: Shape | LiteShape

    @property
    def on_disk(self) -> bool:
        """Whether it can be opened without a network."""
        return self.place is not None


def list_backbones() -> tuple[BackboneInfo, ...]:
    """The backbones that can be opened by name; any other model of the hub can be too."""
    own = (_own_info(name, own) for name, own in OWN.items())
    return (*own, *(_hub_info(entry) for entry in catalogue()))


def _own_info(name: str, own: Own) -> BackboneInfo:
    folder = backbones_folder() / name
    return BackboneInfo(
        name=name,
        hub=None,
        summary=own.summary,
        parameters=own.shape().parameters,
        licence=own.licence,
        download_bytes=own.download_bytes,
        size_bytes=own.size_bytes,
        folder=folder,
        place="hiprobe" if own.is_complete(folder) else None,
        shape=own.shape(),
    )


def _hub_info(entry: Entry) -> BackboneInfo:
    found = locate(entry.hub)
    return BackboneInfo(
        name=entry.name,
        hub=entry.hub,
        summary=entry.hub,
        parameters=entry.shape.parameters,
        licence=entry.licence,
        download_bytes=entry.download_bytes,
        size_bytes=entry.download_bytes,
        folder=found.folder if found else own_folder(entry.hub),
        place=found.place if found else None,
        shape=entry.shape,
    )
