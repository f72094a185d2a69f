"""Which files of a folder are videos: by their ending, their first bytes, and who wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from hiprobe.documents.checked import files_below
from hiprobe.names import absolute, is_object
from hiprobe.store.text_files import RESULTS, STATES, Owner, names_of_file, read_owners

_BARE = ".264 .265 .266 .avc .h264 .h265 .h266 .hevc .m1v .m2v .mjpeg .mjpg .vc1 .vvc "
_CONTAINERS = (
    ".3g2 .3gp .asf .avi .dav .divx .dv .f4v .flv .gif .ivf .m2t .m2ts .m4v .mj2 .mkv .mod "
    ".mov .mp4 .mpe .mpeg .mpg .mts .mxf .nut .obu .ogm .ogv .qt .rm .rmvb .tod .tp .trp .ts "
    ".vob .webm .wmv .wtv .y4m "
)

# Coded pictures without a container: nothing in them says when a picture was taken.
BARE_SUFFIXES = frozenset(_BARE.split())

# Endings taken as video inside folders; a table or a command line may name any file.
VIDEO_SUFFIXES = BARE_SUFFIXES | frozenset(_CONTAINERS.split())

# Ending of extracted states, accepted wherever a video is.
STATES_SUFFIX = ".safetensors"

# Endings of files of scores, which carry the name of their video.
SCORE_SUFFIXES = (".npy", ".npz", ".json", ".csv")


def is_video_name(path: Path | PurePosixPath | str) -> bool:
    """Whether a name ends as videos do, in upper or lower case."""
    return PurePosixPath(path).suffix.lower() in VIDEO_SUFFIXES


def is_states_name(path: Path | str) -> bool:
    """Whether a name ends as files of extracted states do."""
    return PurePosixPath(path).suffix.lower() == STATES_SUFFIX


def without_ending(name: str, *more: str) -> str:
    """The name without endings of videos, and `more` of them; some are called `x.mp4.mp4`."""
    known = VIDEO_SUFFIXES.union(more)
    while (suffix := PurePosixPath(name).suffix).lower() in known:
        name = name[: -len(suffix)]
    return name


@dataclass(frozen=True)
class FolderContents:
    """What a folder holds.

    Attributes:
        videos: video and states files at any depth, and folders that cannot be listed, sorted.
        passed_over: files of other endings that begin as videos do.
    """

    videos: tuple[Path, ...]
    passed_over: tuple[Path, ...] = ()

    def remarks(self) -> list[str]:
        """Sentences on what was not taken."""
        return passed_over_words(self.passed_over)


def passed_over_words(passed_over: Sequence[Path]) -> list[str]:
    """A sentence on files that were not taken; none where there are none."""
    if not passed_over:
        return []
    return [
        f"passed over: {count_words(len(passed_over), 'file')} ({_endings(passed_over)}) that may "
        f"be video under an unknown ending, such as {passed_over[0]}; rename them, or give them by "
        "name"
    ]


def count_words(count: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def untimed_words(files: Iterable[Path]) -> list[str]:
    """A sentence on files that hold no times, by their endings; none where there are none."""
    bare = [f for f in files if f.suffix.lower() in BARE_SUFFIXES]
    if not bare:
        return []
    return [
        f"no times in {count_words(len(bare), 'file')} ({_endings(bare)}): bare streams are timed "
        "by the frame rate that they state, or by 25 frames a second where they state none"
    ]


def look_into(folder: Path) -> FolderContents:
    """Videos and states at any depth below a folder, without hidden ones, and what was passed over.

    Links to folders are followed, each folder once. A link that leads nowhere and a folder that may
    not be listed are among the videos, so that reading them gives the reason. Of objects in a store
    only the ending is looked at: to look into one, all of it would be copied.
    """
    unreadable: list[Path] = []
    videos, others = [], []
    for path in files_below(folder, unreadable=unreadable):
        is_far = is_object(path)
        if not (is_far or path.is_file() or (path.is_symlink() and not path.exists())):
            continue  # a pipe or a device
        if is_video_name(path) or is_states_name(path):
            videos.append(path)
        elif not is_far and path.suffix.lower() not in _NEVER_VIDEO and begins_as_video(path):
            others.append(path)
    return FolderContents(tuple(sorted((*videos, *unreadable))), tuple(sorted(others)))


_OTHERS = (
    ".txt .csv .json .md .html .xml .py .yaml .yml .log .npy .npz .parquet .jpg .jpeg .png "
    ".bmp .tif .tiff .heic .avif .webp .mp3 .wav .m4a .aac .flac .ogg .oga .zip .gz .tar .pdf "
)
# Not even looked at: folders of data sets hold hundreds of thousands of such files.
_NEVER_VIDEO = frozenset(_OTHERS.split())

_STARTS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV\x01",
    b"\x00\x00\x01\xba",  # MPEG program stream, also what many recorders write
    b"\x00\x00\x01\xb3",  # MPEG video
    b"\x00\x00\x00\x01\x67",  # H.264, parameters first
    b"\x00\x00\x00\x01\x27",
    b"\x00\x00\x00\x01\x40\x01",  # H.265
    b"DHAV",
    b"IMKH",  # Hikvision recorders
    b"0&\xb2u\x8ef\xcf\x11",  # ASF, WMV
    b"\x06\x0e+4\x02\x05\x01\x01",  # MXF
    b".RMF",
    b"DKIF",
    b"YUV4MPEG2",
    b"GIF8",
    b"nut/multimedia container",
)
_STILL_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"M4A ", b"M4B ", b"crx ")
_TS_PACKET_BYTES, _TS_SYNC = (188, 192, 204), 0x47


def begins_as_video(path: Path) -> bool:
    """Whether the first bytes of a file are those of a video; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            # Four packets of a transport stream: one sync byte alone also occurs by chance.
            head = file.read(4 * max(_TS_PACKET_BYTES))
    except OSError:
        return False
    if head.startswith(_STARTS):
        return True
    if head[4:8] in (b"ftyp", b"moov", b"mdat"):
        # Still pictures and sound come in the same container as MP4.
        return head[8:12] not in _STILL_BRANDS
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    # A transport stream is known by its sync byte in every packet. Packets of 192 bytes begin
    # with a time stamp of 4, those of 204 end with 16 bytes of parity.
    return any(
        len(head) > 2 * length and all(b == _TS_SYNC for b in head[4 * (length == 192) :: length])
        for length in _TS_PACKET_BYTES
    )


def _endings(files: Sequence[Path]) -> str:
    """Endings, the most frequent first."""
    counted = Counter(f.suffix.lower() or "no ending" for f in files)
    named = [name for name, _ in counted.most_common()]
    return ", ".join(named[:6]) + (", ..." if len(named) > 6 else "")


def pass_over_own(
    found: Sequence[tuple[Path, Path | None]],
    *,
    out: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """The files that are not HiProbe's own; those that were named themselves stay.

    A result (an annotated video, the clip of an event) is passed over where the run file of its
    folder, or of one above, knows it. States stand in for their video, so they are passed over
    where the video itself is among the files. Whatever lies in the folder for the results of this
    run is passed over, unless just that folder was searched.

    Args:
        found: each file, and the folder that was searched for it; None where the file itself was
            named.
        out: folder for the results of this run.
        say: called with a sentence on how many files were passed over.
    """
    here = {absolute(path) for path, _ in found}
    owners = cache(_owners)
    taken, written, in_out = [], 0, 0
    for file, searched in found:
        path = absolute(file)
        if searched is not None and _is_own(path, owners, here):
            written += 1
        elif searched is not None and out is not None and _is_in_out(path, searched, out):
            in_out += 1
        else:
            taken.append(file)
    if say is not None and written:
        say(f"passed over: {count_words(written, 'file')} that HiProbe wrote")
    if say is not None and in_out:
        say(f"passed over: {count_words(in_out, 'file')} in the folder for the results, {out}")
    return taken


def _owners(folder: Path) -> dict[tuple[str, str], Owner]:
    """The owners of a folder's names by kind and name; none where no run has written there."""
    return {(o.kind, o.name): o for o in read_owners(folder) or ()}


def _is_own(
    path: Path, owners_of: Callable[[Path], dict[tuple[str, str], Owner]], here: set[Path]
) -> bool:
    """True for a result, and for states whose video is here too."""
    # Results can lie in folders below that of their run file, as states of clips do.
    for folder in path.parents:
        if is_object(path) and len(folder.parts) < 2:
            break  # above the bucket
        owners = owners_of(folder)
        if not owners:
            continue
        below = path.relative_to(folder).as_posix()
        if any((RESULTS, name) in owners for name in names_of_file(below, RESULTS)):
            return True
        made = (owners.get((STATES, name)) for name in names_of_file(below, STATES))
        if any(owner is not None and Path(owner.video) in here for owner in made):
            return True
    return False


def _is_in_out(path: Path, searched: Path, out: Path) -> bool:
    folder = absolute(out)
    return path.is_relative_to(folder) and not absolute(searched).is_relative_to(folder)
