"""The data sets that HiProbe knows: what is published about each, and which video a file is.

Another package adds its own by the entry point `hiprobe.datasets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from hiprobe.datasets.data_set import KnownSet, Published, VideoFacts, row_in_class
from hiprobe.datasets.files_found import FoundVideo, split_of_word
from hiprobe.datasets.manifest import ManifestRow
from hiprobe.datasets.stretches import Spans, read_own_spans
from hiprobe.datasets.table_text import TableRow, TextTable, read_table
from hiprobe.datasets.video_files import SCORE_SUFFIXES, without_ending
from hiprobe.documents.checked import files_below, read_text
from hiprobe.errors import DatasetError, UsageError
from hiprobe.evaluation.truth import NORMAL

# Entry points of packages that add a data set; each names a `KnownSet`.
GROUP = "hiprobe.datasets"


def known_sets() -> tuple[KnownSet, ...]:
    """All of them in the order of the list: those of HiProbe, then those of other packages.

    Raises:
        UsageError: the data set of another package cannot be loaded, or has a name that is taken.
    """
    found = list(BUILT_IN)
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist else entry.value
        try:
            added = entry.load()
        except Exception as error:  # code of other packages may raise anything
            raise UsageError(
                f"the data set {entry.name!r} of {package} cannot be loaded "
                f"({type(error).__name__}: {error}); repair or uninstall the package"
            ) from error
        if not isinstance(added, KnownSet):
            raise UsageError(
                f"{entry.value} of {package} is of the type {type(added).__name__}; the entry "
                f"point {GROUP} names a KnownSet"
            )
        if added in found:  # found twice, as sources and as it was installed
            continue
        taken = {name for known in found for name in (known.name, *known.aliases)}
        twice = sorted(taken & {added.name, *added.aliases})
        if twice:
            raise UsageError(
                f"the data set {twice[0]!r} of {package} has a name that another data set has; "
                "uninstall the package or rename its data set"
            )
        found.append(added)
    return tuple(found)


def known_set(name: str) -> KnownSet:
    """A set by its name or another name of it.

    Raises:
        UsageError: no such set.
    """
    for sets in (lambda: BUILT_IN, known_sets):  # no other package is imported for ours
        for known in sets():
            if name in (known.name, *known.aliases):
                return known
    names = ", ".join(k.name for k in known_sets())
    raise UsageError(f"no data set {name!r}; choose {names}")


# Name of the user's own set.
FOLDER = "folder"

# Codes of the XD-Violence names, `..._label_B2-G-0`.
XD_CLASSES = {
    "A": NORMAL,
    "B1": "fighting",
    "B2": "shooting",
    "B4": "riot",
    "B5": "abuse",
    "B6": "car-accident",
    "G": "explosion",
}


def _row(
    found: FoundVideo, name: str, split: str, class_name: str, *, source: str = ""
) -> ManifestRow:
    """A row of a published set, in which one class is called normal."""
    label = int(class_name != NORMAL)
    return ManifestRow(found.path, name, class_name, label, split, source)


def _listed(found: FoundVideo, published: Published) -> ManifestRow | None:
    """UCF-Crime: every video is in a list."""
    stem = found.stem
    if stem not in published.classes:
        return None
    return _row(found, published.names[stem], published.splits[stem], published.classes[stem])


def _xd_violence(found: FoundVideo, published: Published) -> ManifestRow | None:
    """XD-Violence: the name carries the classes; what the test list lacks is for training."""
    title, mark, codes = found.stem.rpartition("_label_")
    kinds = [XD_CLASSES.get(code) for code in codes.split("-") if code != "0"]
    if not mark or not kinds or None in kinds:
        return None
    split, class_name = published.splits.get(found.stem, "train"), "+".join(k for k in kinds if k)
    return _row(found, found.stem, split, class_name, source=title.split("__#")[0])


def _msad(found: FoundVideo, published: Published) -> ManifestRow | None:
    """MSAD: normal videos by folder, `Fighting_3` by name; the split of a list wins."""
    listed = published.splits.get(found.stem)
    if re.search("normal", "/".join(found.relative.parts), re.IGNORECASE):
        split = listed or split_of_word(found.stem) or found.folder_split
        return _row(found, found.stem, split or "train", NORMAL)
    kind = re.fullmatch(r"(?:MSAD_)?([A-Za-z][A-Za-z_]*?)_?(\d+)", found.stem)
    if kind is None:
        return None
    class_name = kind[1].lower().replace("_", "-")
    return ManifestRow(found.path, found.stem, class_name, 1, listed or "test")


_MSAD_COLUMNS = (
    "name",
    "total frames",
    "starting frame of anomaly",
    "ending frame of anomaly",
)


def _msad_lists(root: Path, base: Published) -> Published:
    """MSAD: lists and annotation come with the files.

    Raises:
        DatasetError: a table lacks a column, holds no numbers, or counts from 0.
    """
    splits = dict(_name_lists(root, "*.list")) | dict(_name_lists(root, "*.txt"))
    facts = {}
    for file in sorted(p for p in files_below(root) if p.name == "anomaly_annotation.csv"):
        table = read_table(file, error=DatasetError)
        for row in table.rows:
            name, frames, start, stop = _msad_row(row, table)
            # From counting at 1 to counting at 0; an inclusive last frame is the end of a half-open
            # span.
            first, last = start - 1, stop - (base.end == "half-open")
            # A span that holds no frame stays: the check names it where it leaves it out.
            spans: Spans = ((first, last),) if first >= 0 else ()
            # As in the authors' protocol i, a video without a split is for testing.
            facts[splits.get(name, "test"), name] = VideoFacts(frames, spans)
    # With lists it is their protocol ii, the weakly supervised one, which has other counts.
    counts = {"train": 480, "test": 240} if splits else base.counts
    return replace(base, splits=splits, facts=facts, counts=counts)


def _msad_row(row: TableRow, table: TextTable) -> tuple[str, int, int, int]:
    """Name, frames, first and last abnormal frame, counted from 1."""
    try:
        name = without_ending(row.cells[_MSAD_COLUMNS[0]])
        frames, start, stop = (int(float(row.cells[c])) for c in _MSAD_COLUMNS[1:])
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"{table.where(row)}: {error!r}; the columns are name, scenario, total "
            "frames, starting frame of anomaly, ending frame of anomaly"
        ) from error
    if start == 0:
        raise DatasetError(
            f"{table.where(row)}: {name} is abnormal from frame 0, but the published table "
            "counts from 1; take the table that comes with the set, or add 1 to all its frames"
        )
    return name, frames, start, stop


def _shanghaitech(found: FoundVideo, published: Published) -> ManifestRow | None:
    """ShanghaiTech: `01_001` for training, `01_0014` for test."""
    if not re.fullmatch(r"\d\d_\d{3,4}", found.stem):
        return None
    split = "test" if found.stem in published.classes else "train"
    return _row(found, found.stem, split, published.classes.get(found.stem, NORMAL))


def _numbered(found: FoundVideo, published: Published) -> ManifestRow | None:
    """Avenue and Ped2: numbers that repeat between the splits, as `Test001`, `test_01` or `01`."""
    word = re.fullmatch(r"(?:(train|test)(?:ing)?[_-]?)?0*(\d{1,3})", found.stem, re.IGNORECASE)
    split = word and ((word[1] or "").lower() or found.folder_split)
    # The archive of Ped2 holds Ped1 too, whose videos have the same names.
    if not word or split not in ("train", "test") or re.search("ped1", str(found.relative), re.I):
        return None
    number = f"{int(word[2]):02d}"
    class_name = published.classes.get(number) if split == "test" else NORMAL
    return _row(found, number, split, class_name) if class_name else None


def _ubnormal(found: FoundVideo, published: Published) -> ManifestRow | None:
    """UBnormal: the name says whether it is normal, a list says the split."""
    if not re.fullmatch(r"(ab)?normal_scene_\d+_scenario.*", found.stem):
        return None
    class_name = "abnormal" if found.stem.startswith("abnormal") else NORMAL
    return _row(found, found.stem, published.splits.get(found.stem, ""), class_name)


def _ubnormal_lists(root: Path, base: Published) -> Published:
    """UBnormal: the authors' lists of names say the splits, where they are there."""
    listed = dict(_name_lists(root, "*_video_names.txt"))
    expected = tuple((split, name) for name, split in listed.items())
    return replace(base, splits={**base.splits, **listed}, expected=expected or base.expected)


def _name_lists(root: Path, pattern: str) -> Iterator[tuple[str, str]]:
    """(name, split) of lists whose own name says the split; paths and endings are cut off."""
    for file in sorted(p for p in files_below(root) if p.match(pattern)):
        split = split_of_word(file.stem)
        if not split:
            continue
        try:
            lines = read_text(file).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"cannot read the list {file}: {error}") from error
        for line in lines:
            name = without_ending(line.strip().split("/")[-1], *SCORE_SUFFIXES)
            name = re.sub(r"(_i3d|_swin)$", "", name)  # lists of features, not of videos
            if name:
                yield name, split


# Whether a folder's videos are normal.
_TWO_FOLDERS = {
    "fight": False,
    "nofight": True,
    "crash": False,
    "normal": True,
    "bd_choques": False,
    "bd_no_choques": True,
}


def _two_folders(found: FoundVideo, published: Published) -> ManifestRow | None:
    """Fights and crashes: the folder says which of two it is."""
    kinds = [p for p in found.relative.parts[:-1] if p.casefold() in _TWO_FOLDERS]
    return (
        row_in_class(found, kinds[-1], normal=_TWO_FOLDERS[kinds[-1].casefold()]) if kinds else None
    )


def _own_lists(root: Path, base: Published) -> Published:
    """The user's own folder: what has spans is abnormal."""
    return replace(base, classes=dict.fromkeys(read_own_spans(root), "abnormal"))


_ANYWHERE = "The files are found by name at any depth."

BUILT_IN = (
    KnownSet(
        name="ucf-crime",
        title="UCF-Crime (Sultani et al., CVPR 2018)",
        counts={"train": 1610, "test": 290},
        ask="https://www.crcv.ucf.edu/projects/real-world/ (links to the archives)",
        place=(
            _ANYWHERE + " As the archives unpack:",
            "ROOT/Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4",
            "ROOT/Training-Normal-Videos-Part-1/Normal_Videos001_x264.mp4",
            "ROOT/Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
            "Normal_Videos_for_Event_Recognition repeats 50 normal videos and is not needed.",
        ),
        licence="for research; the videos belong to their uploaders",
        truth="ucf-crime",
        identify=_listed,
    ),
    KnownSet(
        name="xd-violence",
        title="XD-Violence (Wu et al., ECCV 2020)",
        counts={"train": 3954, "test": 800},
        ask="https://roc-ng.github.io/XD-Violence/ (links to the archives)",
        place=(
            _ANYWHERE + " The labels are part of the names. As the archives unpack:",
            "ROOT/1-1004/A.Beautiful.Mind.2001__#00-01-45_00-02-50_label_A.mp4, and so on",
            "ROOT/videos/v=S-7rRLrxnVQ__#1_label_B4-0-0.mp4 (test)",
        ),
        licence="for research; the videos belong to their makers",
        truth="xd-violence",
        fps=24.0,
        identify=_xd_violence,
    ),
    KnownSet(
        name="msad",
        title="MSAD, Multi-Scenario Anomaly Detection (Zhu et al., NeurIPS 2024)",
        counts={"train": 360, "test": 360},
        ask="https://msad-dataset.github.io/ (a form to fill in)",
        place=(
            "ROOT/MSAD_normal_training*/..., ROOT/MSAD_normal_testing*/..., ROOT/MSAD_anomaly*/...",
            "ROOT/anomaly_annotation.csv (comes with the set: frame counts and spans)",
            "ROOT/*train*.list or .txt and *test* (optional: the weakly supervised split of 480",
            "and 240; without them all anomalous videos are in the test split, as in protocol i)",
        ),
        licence="for academic research only",
        identify=_msad,
        read_lists=_msad_lists,
        end="inclusive",
    ),
    KnownSet(
        name="shanghaitech",
        title="ShanghaiTech Campus (Luo et al., ICCV 2017)",
        counts={"train": 330, "test": 107},
        ask="https://svip-lab.github.io/dataset/campus_dataset.html",
        place=(
            "ROOT/training/videos/01_001.avi (or training/frames/01_001/*.jpg)",
            "ROOT/testing/frames/01_0014/*.jpg",
        ),
        licence="for research",
        truth="shanghaitech",
        fps=24.0,
        identify=_shanghaitech,
    ),
    KnownSet(
        name="cuhk-avenue",
        title="CUHK Avenue (Lu et al., ICCV 2013)",
        counts={"train": 16, "test": 21},
        ask="http://www.cse.cuhk.edu.hk/leojia/projects/detectabnormal/dataset.html",
        place=(
            "ROOT/training_videos/01.avi, ROOT/testing_videos/01.avi",
            "(or training/frames/01/*.jpg, testing/frames/01/*.jpg)",
        ),
        licence="for research",
        truth="cuhk-avenue",
        fps=25.0,
        aliases=("avenue",),
        identify=_numbered,
        numbered=True,
    ),
    KnownSet(
        name="ucsd-ped2",
        title="UCSD Ped2 (Mahadevan et al., CVPR 2010)",
        counts={"train": 16, "test": 12},
        ask="http://www.svcl.ucsd.edu/projects/anomaly/dataset.htm",
        place=(
            "ROOT/UCSDped2/Train/Train001/*.tif, ROOT/UCSDped2/Test/Test001/*.tif",
            "(or training/frames/01/*.jpg, or train/train_01.mp4)",
        ),
        licence="for research",
        truth="ucsd-ped2",
        fps=10.0,
        aliases=("ped2",),
        identify=_numbered,
        numbered=True,
    ),
    KnownSet(
        name="ubnormal",
        title="UBnormal (Acsintoae et al., CVPR 2022)",
        counts={"train": 268, "val": 64, "test": 211},
        ask="https://github.com/lilygeorgescu/UBnormal (a link to the archive)",
        place=(
            "ROOT/Scene1/abnormal_scene_1_scenario_1.mp4, and so on",
            "ROOT/scripts/*_video_names.txt of the same repository: the splits. Without them",
            "only the 64 validation videos, whose spans are part of this package, have a split.",
        ),
        licence="CC BY-NC-ND 4.0",
        truth="ubnormal-val",
        truth_split="val",
        identify=_ubnormal,
        read_lists=_ubnormal_lists,
    ),
    KnownSet(
        name="surveillance-fights",
        title="Surveillance Camera Fight Dataset (Akti et al., IPTA 2019)",
        counts={"": 300},
        ask="https://github.com/seymanurakti/fight-detection-surv-dataset",
        place=("ROOT/fight/*.mp4, ROOT/noFight/*.mp4",),
        licence="MIT",
        clone="https://github.com/seymanurakti/fight-detection-surv-dataset",
        aliases=("fights",),
        identify=_two_folders,
        own_classes=True,
    ),
    KnownSet(
        name="car-crash",
        title="Car crash / no crash, traffic cameras (Machaca Arceda & Laura Riveros, CLEI 2018)",
        counts={},
        ask="https://github.com/arceda/violence-detection (car-crash/dataset)",
        place=("ROOT/crash/*.mp4, ROOT/normal/*.mp4 (or BD_choques, BD_no_choques)",),
        licence="none stated",
        identify=_two_folders,
        own_classes=True,
    ),
    KnownSet(
        name=FOLDER,
        title="a folder of your own, with spans where you have them",
        counts={},
        ask="your own disk",
        place=(
            "ROOT/CLASS/*.mp4, or ROOT/train/CLASS/*.mp4 and ROOT/test/CLASS/*.mp4",
            "ROOT/spans.csv: video,start_seconds,end_seconds (or start_frame,end_frame)",
            "ROOT/*.mp4 with a spans.csv alone: what has spans is abnormal, the rest normal",
            "or ROOT/manifest.csv: video,label[,split][,source][,spans in frames]",
        ),
        licence="yours",
        read_lists=_own_lists,
        own_classes=True,
    ),
)
