"""Which name the results of a video have: one for good, and never another video's.

A name belongs to a video's path and content. The run file of the output folder keeps it (see
`hiprobe.store.text_files`). What that means:

- The same file again has the same name, whatever else is in the run.
- Another content at the same path is another video and gets a name of its own, unless the file
  has only grown: then it is the same recording, further on.
- The same content at another path is a copy with a name of its own, unless the file is gone from
  its old path: then it was moved, and keeps its name.
- Without a run file, or with a damaged one, results that name their video are its own, and a file
  whose video is not known is left alone.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, count, takewhile
from pathlib import Path

from hiprobe.errors import HiProbeError
from hiprobe.names import absolute, fits_file_name
from hiprobe.objects import exists, local_copy, stamp_of
from hiprobe.store.atomic import alone_in_new
from hiprobe.store.content_hash import content_hash
from hiprobe.store.text_files import (
    ENDINGS,
    RUN_NAME,
    STATES,
    Owner,
    endings_of,
    inside,
    read_owners,
)

Save = Callable[[Sequence[Owner]], None]
HashOf = Callable[[Path], str]


def wanted_name(video: Path) -> str:
    """The name that a video's results have where it is free; here a name too long is shortened."""
    return fits_file_name(video.stem)


@dataclass
class ResultNames:
    """The names in one output folder, for one kind of files.

    Attributes:
        save: writes the owners; called before a new name is used, so that a run that is killed
            has noted what its files belong to.
        hash_of: content of a video; a cache knows it already.
        say: called with a sentence where a name is not the one to expect.
    """

    out: Path
    kind: str
    save: Save
    hash_of: HashOf = content_hash
    say: Callable[[str], None] | None = None
    owners: tuple[Owner, ...] = ()
    _damage_told: bool = field(default=False, repr=False)

    def claim(self, video: Path, *, wanted: str | None = None, part: str = "") -> str:
        """The name of a video's results, given out where it has none yet.

        Args:
            wanted: the name to give where it is free, path below the folder [its stem].
            part: the stretch of the video that the results are of, in words.

        Raises:
            StorageError: the run file cannot be written.
        """
        identity = self._identity(video, part)
        expected = wanted_name(video) if wanted is None else wanted
        if not identity.sha256:  # it cannot be read, which ends its turn: it gets no results
            return expected
        with self.alone():
            known = _known(identity, self.owners)
            if known is not None:
                self._note(replace(identity, name=known.name), instead_of=known)
                return known.name
            name = next(n for n in _numbered(expected) if self._may_have(n, identity))
            self._note(replace(identity, name=name), instead_of=None)
        if name != expected and self.say is not None:
            self.say(f"{video}: its results are called {name}, since {expected} is taken")
        return name

    def own(self, video: Path, name: str) -> str:
        """Give a video a name, even another's: for what a command makes again at each run."""
        identity = replace(self._identity(video, ""), name=name)
        with self.alone():
            self.owners = tuple(o for o in self.owners if (o.kind, o.name) != (self.kind, name))
            self._note(identity, instead_of=None)
        return name

    def find(self, video: Path, *, part: str = "") -> str | None:
        """The name that a file of this path has already; its content is not looked at."""
        path = _absolute(video)
        found = [o for o in self.owners if (o.kind, o.video, o.part) == (self.kind, path, part)]
        return found[-1].name if found else None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other run notes a name; what others have noted is known.

        Raises:
            StorageError: the folder cannot be made or opened.
        """
        with alone_in_new(self.out):
            self.reload()
            yield

    def reload(self) -> None:
        """Read what other runs have noted meanwhile."""
        found = read_owners(self.out)
        if found is not None:
            self.owners = found
        elif self.say is not None and not self._damage_told:
            self._damage_told = True
            self.say(
                f"{self.out / RUN_NAME} is damaged; files whose video is not known are left alone"
            )

    def _note(self, owner: Owner, *, instead_of: Owner | None) -> None:
        if owner == instead_of:
            return
        self.owners = (*(o for o in self.owners if o != instead_of), owner)
        self.save(self.owners)

    def _identity(self, video: Path, part: str) -> Owner:
        """The video as an owner whose name is not known yet; without a hash if unreadable."""
        try:
            digest = made_from(video) or self.hash_of(video)
            size = stamp_of(video)[0]
        except (HiProbeError, OSError):  # whoever reads the file reports it
            digest, size = "", 0
        return Owner("", _absolute(video), digest, size, self.kind, part)

    def _may_have(self, name: str, identity: Owner) -> bool:
        """Whether no file under this name is, or may become, that of another video."""
        endings = endings_of(self.kind)
        files = _folded(f"{name}{ending}" for ending in endings)
        of_kind = {kind: endings_of(kind) for kind in ENDINGS}
        taken = (_files_of(owner.name, of_kind[owner.kind]) for owner in self.owners)
        if not all(map(files.isdisjoint, (_folded([RUN_NAME]), *taken))):
            return False
        there = [inside(self.out, f"{name}{ending}") for ending in endings]
        if not any(map(exists, there)):
            return True
        return _names_itself(there[0], identity)


def _numbered(name: str) -> Iterator[str]:
    return chain([name], (f"{name}-{number}" for number in count(2)))


def _absolute(video: Path) -> str:
    return str(absolute(video))


def _folded(files: Iterable[str]) -> set[str]:
    """Names as file systems compare them that know no capitals."""
    return {unicodedata.normalize("NFC", file).casefold() for file in files}


@cache
def _files_of(name: str, endings: tuple[str, ...]) -> set[str]:
    """The files of a name that is given out, in all formats."""
    return _folded(f"{name}{ending}" for ending in endings)


def _known(video: Owner, owners: Sequence[Owner]) -> Owner | None:
    """The entry of a video: of its path and content, or grown, or moved."""
    mine = [o for o in owners if (o.kind, o.part) == (video.kind, video.part)]
    here = [o for o in mine if o.video == video.video]
    same = [o for o in here if o.sha256 == video.sha256]
    if same:
        return same[-1]
    grown = next((o for o in reversed(here) if _has_grown(o, video)), None)
    if grown is not None:
        return grown
    moved = [o for o in mine if o.sha256 == video.sha256 and not exists(Path(o.video))]
    # Copies that were moved together: the one whose path ends most alike is the same one.
    return max(moved, key=lambda o: _common_end(o.video, video.video), default=None)


def _has_grown(before: Owner, now: Owner) -> bool:
    """Whether a file still begins with everything that it held before."""
    # Sizes first: only a file that is longer now is worth reading.
    if not 0 < before.size_bytes < now.size_bytes:
        return False
    digest, left = hashlib.sha256(), before.size_bytes
    try:
        with local_copy(now.video).open("rb") as file:
            while left and (piece := file.read(min(left, 1 << 20))):
                digest.update(piece)
                left -= len(piece)
    except OSError:
        return False
    return digest.hexdigest() == before.sha256


def _common_end(one: str, other: str) -> int:
    """How many parts two paths have in common, counted from their ends."""
    pairs = zip(reversed(Path(one).parts), reversed(Path(other).parts), strict=False)
    return len([*takewhile(lambda pair: pair[0] == pair[1], pairs)])


def made_from(file: Path) -> str | None:
    """Hash of the video that a file of states was made from; None for any other file."""
    from hiprobe.store.states_file import read_states_header

    if file.suffix.lower() not in ENDINGS[STATES]:
        return None
    try:
        noted = read_states_header(file)["notes"].get("sha256")
    except HiProbeError:
        return None
    return noted if isinstance(noted, str) and noted else None


def _names_itself(first: Path, video: Owner) -> bool:
    """Whether a result without a run file says that it is of this video."""
    if video.kind == STATES:
        return made_from(first) == video.sha256
    from hiprobe.report.documents import read_document

    try:
        named = read_document(first).get("video")
    except HiProbeError:
        return False
    return isinstance(named, str) and _absolute(Path(named)) == video.video
