"""The process around a command: signals, closed streams, plain warnings, folders in use."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click

from hiprobe.cli.console import echo
from hiprobe.errors import FolderInUseError
from hiprobe.names import is_object, shown
from hiprobe.objects import local_stand_in
from hiprobe.store.atomic import alone_in, remove_unless_locked, try_lock

# What shells return for a command ended by Ctrl-C.
INTERRUPTED_EXIT_CODE = 130


class Stopped(KeyboardInterrupt):
    """The process was asked to end; whatever handles Ctrl-C handles this."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def exit_code_of(stop: KeyboardInterrupt) -> int:
    """What the command returns: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED_EXIT_CODE


@contextmanager
def signals_stop() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise `Stopped` in the main thread.

    A signal that is ignored (by `nohup`) stays so, and a handler of another program that runs the
    command in its own process is left alone. The second signal is ignored: the first is at work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    found = [getattr(signal, name) for name in names]
    ours = [number for number in found if signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in ours:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


# The reader has left (`| head -1`), or the terminal is closed. A full disk is none of these.
_GONE = frozenset((errno.EPIPE, errno.EBADF, errno.EIO, errno.ENXIO, errno.ECONNRESET))


class _Outlet(io.FileIO):
    """A stream of the system; what nobody can read is dropped.

    Any other error is raised once, and what comes after it is dropped too: the interpreter tries
    again to write the rest when it ends, and would end with a traceback.
    """

    _failed = False

    def write(self, data: Any) -> int:
        try:
            if not self._failed:
                return super().write(data) or 0
        except OSError as error:
            if error.errno not in _GONE:
                self._failed = True
                raise
        return memoryview(data).nbytes


def keep_streams_writable() -> None:
    """Make writing to stdout and stderr safe, closed ones too; to be called once, at the start.

    A stream that is closed (`>&-`) is pointed at nothing. Otherwise the next file that is opened
    gets its number, and what a library prints would end up in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(number, True)
    sys.stdout, sys.stderr = _safe(sys.stdout, 1), _safe(sys.stderr, 2)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - open for good


def _safe(stream: TextIO | None, number: int) -> TextIO:
    if stream is not None and (sys.platform == "win32" or not _is_plain(stream, number)):
        return stream  # a console has its own ways of writing; another program has put it there
    with_lines = number == 2 or os.isatty(number)
    if stream is not None:
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(number, "wb", closefd=False)),
        # What HiProbe prints keeps the user's encoding (PYTHONIOENCODING, the locale).
        encoding=stream.encoding if stream is not None else "utf-8",
        errors=stream.errors if stream is not None else "backslashreplace",
        line_buffering=with_lines,
    )


def _is_plain(stream: TextIO, number: int) -> bool:
    try:
        return isinstance(stream, io.TextIOWrapper) and stream.fileno() == number
    except (OSError, ValueError):
        return False


_OURS = Path(__file__).parent.parent


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Within the block HiProbe's own warnings are lines on stderr; others stay as they are.

    Each is written once: a file is opened many times, and libraries make Python forget which
    warnings it has shown.
    """
    known: set[str] = set()
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if _OURS in Path(filename).parents:
                if str(message) not in known:
                    known.add(str(message))
                    echo(f"warning: {shown(message)}", err=True)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


_PATTERN = ".hiprobe-run-*.lock"

# Options in which runs that share a folder may differ: which files they read, and what they
# print.
_NOT_SETTINGS = frozenset(
    ("videos", "experiments", "docs", "join", "quiet", "workers", "engine", "address")
)

_MAX_BYTES = 1 << 20


@contextmanager
def folder_in_use(folder: Path, context: click.Context | None = None) -> Iterator[None]:
    """Within the block this run writes into `folder`, and none of other settings does.

    A folder that was not there and is empty at the end is removed again. In a folder of an object
    store runs of other machines are refused whatever their settings.

    Raises:
        FolderInUseError: a run of other settings is at it; the message names it.
        StorageError: it lies in an object store that cannot be asked.
    """
    own, named = _Holder.of_this_run(context or click.get_current_context()), folder
    folder = local_stand_in(folder)
    with ExitStack() as stack:
        try:
            missing = [f for f in (folder, *folder.parents) if not f.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, missing)
            with alone_in(folder):
                for path in sorted(folder.glob(_PATTERN)):
                    holder = _living(path)
                    if holder is not None and holder.settings != own.settings:
                        raise FolderInUseError(
                            f"{named} is in use by another run with different settings: "
                            f"{holder.words}; wait for it to end, or choose another folder for "
                            "the results"
                        )
                stack.enter_context(_held(folder, own))
        except FolderInUseError:
            raise
        except OSError:  # whoever writes the first file says what is wrong with the folder
            pass
        if is_object(named):
            from hiprobe.store.claim import claimed

            stack.enter_context(claimed(named, words=own.words))
        yield


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):  # something is in it
        for folder in folders:  # the innermost comes first
            folder.rmdir()


@dataclass(frozen=True)
class _Holder:
    """A run that writes into a folder.

    Attributes:
        settings: digest of everything that decides what is written.
        since: when it began, in local time.
    """

    host: str
    pid: int
    command: str
    since: str
    settings: str

    @classmethod
    def of_this_run(cls, context: click.Context) -> _Holder:
        """This process, as its command line says it."""
        # The command is part of it: `fit` and `detect` with equal options write different files.
        path = context.command_path
        settings = {n: v for n, v in context.params.items() if n not in _NOT_SETTINGS}
        text = json.dumps([path, settings], sort_keys=True, default=_as_text)
        return cls(
            host=socket.gethostname(),
            pid=os.getpid(),
            command=" ".join([path, *sys.argv[1:][path.count(" ") :]]),
            since=time.strftime("%Y-%m-%d %H:%M:%S"),
            settings=hashlib.sha256(text.encode()).hexdigest()[:24],
        )

    @property
    def words(self) -> str:
        """Who it is, for the user who must wait."""
        return f"`{self.command}`, process {self.pid} on {self.host}, since {self.since}"


def _as_text(value: object) -> str:
    return str(value.absolute()) if isinstance(value, Path) else repr(value)


def _living(path: Path) -> _Holder | None:
    """The run that holds a file; None where it is gone, and then the file goes too."""
    try:
        if remove_unless_locked(path):
            return None
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
        return _Holder(**json.loads(content))
    except OSError:  # it ended just now
        return None
    # Not ours to judge: a holder that cannot be read keeps others out as any other does.
    except (ValueError, TypeError, RecursionError):
        return _Holder("an unknown machine", 0, "an unknown command", "an unknown time", "")


@contextmanager
def _held(folder: Path, own: _Holder) -> Iterator[None]:
    path = folder / _PATTERN.replace("*", f"{own.pid}-{secrets.token_hex(4)}")
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        try_lock(handle)
        os.write(handle, json.dumps(asdict(own)).encode())
        yield
    finally:
        # Closing gives up the lock; a run that looks in between finds no holder, and removes the
        # file.
        os.close(handle)
        path.unlink(missing_ok=True)
