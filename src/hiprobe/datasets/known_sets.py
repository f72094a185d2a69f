"""The data sets that HiProbe knows, and what is published about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hiprobe.errors import UsageError


@dataclass(frozen=True)
class KnownSet:
    """Published facts of a data set.

    Attributes:
        truth: name of the packaged ground truth, None where none is packaged.
        truth_split: the split that this truth belongs to.
        counts: published videos of each split.
        fps: nominal frames a second, for frames that come as pictures.
        place: where the files go, line by line; several layouts are recognised.
        ask: where the files are to be had.
        clone: address of a public repository that holds all of it.
    """

    name: str
    title: str
    counts: Mapping[str, int]
    ask: str
    place: tuple[str, ...]
    licence: str
    truth: str | None = None
    truth_split: str = "test"
    fps: float = 30.0
    clone: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Published videos in all."""
        return sum(self.counts.values())


FOLDER = "folder"
"""Name of the user's own set."""


_ANYWHERE = "The files are found by name at any depth."

_SETS = (
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
    ),
    KnownSet(
        name="car-crash",
        title="Car crash / no crash, traffic cameras (Machaca Arceda & Laura Riveros, CLEI 2018)",
        counts={},
        ask="https://github.com/arceda/violence-detection (car-crash/dataset)",
        place=("ROOT/crash/*.mp4, ROOT/normal/*.mp4 (or BD_choques, BD_no_choques)",),
        licence="none stated",
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
    ),
)


def known_sets() -> tuple[KnownSet, ...]:
    """All of them, in the order of the list."""
    return _SETS


def known_set(name: str) -> KnownSet:
    """A set by its name or another name of it.

    Raises:
        UsageError: no such set.
    """
    for known in _SETS:
        if name in (known.name, *known.aliases):
            return known
    names = ", ".join(k.name for k in _SETS)
    raise UsageError(f"no data set {name!r}; choose {names}")
