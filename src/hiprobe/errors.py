"""Every error that HiProbe raises on purpose.

A message names the value, the cause and the remedy. The exit code is what the command line
returns when the error ends a command, so that scripts can distinguish the outcomes.
"""

from __future__ import annotations

from hiprobe.names import hide_credentials, shown


class HiProbeError(Exception):
    """Base of all errors raised on purpose.

    A message is one line; what a name in it would do to a terminal is written out. Several
    arguments are several lines. Messages name what the user gave, and libraries quote it in
    theirs: a password in an address is taken out here, once for all of them.

    Attributes:
        of_one_file: it says something about one file only; where many are worked on, that one is
            listed and the others are done.
    """

    exit_code = 1
    of_one_file = False

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(hide_credentials(a) if isinstance(a, str) else a for a in arguments))

    def __str__(self) -> str:
        return "\n".join(map(shown, self.args))


class UsageError(HiProbeError, ValueError):
    """A setting or an argument cannot be used as given."""

    exit_code = 2


class VideoError(HiProbeError):
    """A file cannot be read as video (missing, empty, audio only, damaged, not a video)."""

    exit_code = 3
    of_one_file = True


class LabelError(HiProbeError):
    """Labelled clips cannot be used (one class only, overlapping spans, unreadable table)."""

    exit_code = 4


class ProbeFolderError(HiProbeError):
    """A probe folder is damaged, foreign or of another format version."""

    exit_code = 5
    of_one_file = True


class FingerprintError(HiProbeError):
    """States or a probe belong to another backbone than the one in use."""

    exit_code = 6
    of_one_file = True


class StatesError(HiProbeError, ValueError):
    """Hidden states are not usable: not finite, wrong shape, or a layer is absent."""

    exit_code = 7
    of_one_file = True


class BackboneError(HiProbeError):
    """A backbone cannot be loaded, is incomplete, or is not on this disk."""

    exit_code = 8


class DownloadError(BackboneError):
    """Weights could not be fetched or do not have the expected hash."""

    exit_code = 9


class BackboneMemoryError(BackboneError):
    """A backbone ran out of memory on this batch; a smaller one may pass."""

    of_one_file = True


class StorageError(HiProbeError):
    """A disk is full, a folder is not writable or in use, or an object store cannot be used."""

    exit_code = 10


class FileNameError(StorageError):
    """A result cannot be written under its name (too long, or not for this file system)."""

    of_one_file = True


class OutsideFolderError(StorageError):
    """A result would lie outside of the folder for the results."""

    of_one_file = True


class FolderInUseError(StorageError):
    """Another run with other settings writes into this folder."""


class EvaluationError(HiProbeError, ValueError):
    """Scores and ground truth do not fit together."""

    exit_code = 11


class DatasetError(HiProbeError):
    """A data set's folder is not recognised, or videos of it are missing or cannot be read."""

    exit_code = 12


class DatasetDiffersError(DatasetError):
    """A data set can be read, but its counts or frame counts differ from the published ones."""

    exit_code = 13


class DatasetLeakError(DatasetError):
    """Videos of a data set are in two splits, as the same file or as near-duplicates."""

    exit_code = 14


class EngineError(HiProbeError):
    """Workers cannot be had: no Ray, no such cluster, or no room in it."""

    exit_code = 15
