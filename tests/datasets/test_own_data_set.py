"""A data set of another package: one file with a `KnownSet`, named by an entry point."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from data_trees import clips

from hiprobe.cli.app import app
from hiprobe.datasets.check_folder import check_dataset
from hiprobe.datasets.clips import read_clips
from hiprobe.datasets.known_sets import known_set, known_sets
from hiprobe.datasets.manifest import manifest_truth, read_manifest
from hiprobe.errors import UsageError

CORRIDOR = r'''
"""The data set "corridor": `day3_0012_fall.mp4`, with a list of its test videos beside them."""

import re
from dataclasses import replace

from hiprobe.datasets.data_set import KnownSet, VideoFacts
from hiprobe.datasets.manifest import ManifestRow


def row_of(found, published):
    """What a file is, from its name; None where it is not of this set."""
    name = re.fullmatch(r"(day\d+)_\d+_(walk|fall)", found.stem)
    if name is None:
        return None
    split = published.splits.get(found.stem, "train")
    return ManifestRow(found.path, found.stem, name[2], int(name[2] == "fall"), split, name[1])


def with_test_list(root, published):
    """The test list: name, frames, first and last abnormal frame."""
    facts = {}
    for line in (root / "test.txt").read_text("utf-8").splitlines():
        name, frames, first, last = line.split()
        facts["test", name] = VideoFacts(int(frames), ((int(first), int(last) + 1),))
    splits = {name: split for split, name in facts}
    return replace(published, facts=facts, splits=splits, expected=tuple(facts))


CORRIDOR = KnownSet(
    name="corridor",
    title="Corridor (a made-up set)",
    counts={"train": 2, "test": 2},
    ask="https://example.org/corridor",
    place=("ROOT/videos/day3_0012_fall.mp4", "ROOT/test.txt"),
    licence="CC BY 4.0",
    identify=row_of,
    read_lists=with_test_list,
)
'''

ENTRY = "[hiprobe.datasets]\ncorridor = corridor_set:CORRIDOR\n"


def install(site: Path, module: str, *, name: str = "corridor-set") -> None:
    """What pip leaves of a package that has one module and one entry point."""
    (site / "corridor_set.py").write_text(module, "utf-8")
    about = site / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("corridor_set", None)


@pytest.fixture
def corridor(tmp_path: Path) -> Path:
    root = tmp_path / "corridor"
    names = ("day1_01_walk", "day1_02_fall", "day2_01_walk", "day2_02_fall", "lunch")
    clips(root / "videos", [f"{name}.mp4" for name in names], frames=20)
    (root / "test.txt").write_text("day2_02_fall 20 5 9\nday2_03_fall 20 1 4\n")
    return root


def test_a_set_of_another_package_is_checked_by_name(
    site: Path, corridor: Path, tmp_path: Path
) -> None:
    install(site, CORRIDOR)
    assert known_set("corridor").title.startswith("Corridor") and len(known_sets()) == 11
    report = check_dataset("corridor", corridor, kept=tmp_path / "kept")
    assert report.manifest is not None
    assert {(r.name, r.split, r.label, r.source, r.spans) for r in report.manifest.rows} == {
        ("day1_01_walk", "train", 0, "day1", ()),
        ("day1_02_fall", "train", 1, "day1", ()),
        ("day2_01_walk", "train", 0, "day2", ()),
        ("day2_02_fall", "test", 1, "day2", ((5, 10),)),
    }
    assert [f.video for f in report.of("unknown")] == ["videos/lunch.mp4"]
    assert [f.video for f in report.of("missing")] == ["day2_03_fall"]
    assert {f.text for f in report.of("count")} == {
        "3 videos, published 2",
        "1 videos, published 2",
    }


def test_its_manifest_is_clips_and_truth_on_the_command_line(
    site: Path, corridor: Path, tmp_path: Path
) -> None:
    install(site, CORRIDOR)
    run, out = CliRunner().invoke, tmp_path / "m.csv"
    listed = run(app, ["data", "list"])
    assert "corridor" in listed.output and "Corridor (a made-up set)" in listed.output
    asked = run(app, ["data", "get", "corridor", "-o", str(tmp_path / "new")])
    assert "https://example.org/corridor" in asked.output
    found = run(app, ["data", "check", "corridor", str(corridor), "-o", str(out), "--quiet"])
    assert found.exit_code == 12, found.output
    assert [c.label for c in read_clips(out)] == [0, 1, 0]
    assert manifest_truth(read_manifest(path=out), split="test").labels().sum() == 5


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("import nothing_of_that_name", r"'corridor' of corridor-set cannot be loaded \(Module"),
        ("CORRIDOR = 3", "type int; the entry point hiprobe.datasets names a KnownSet"),
        (CORRIDOR.replace('name="corridor"', 'name="ped2"'), "'ped2' .* another data set has"),
    ],
)
def test_a_set_that_does_not_fit_is_named_and_ours_still_work(
    site: Path, module: str, words: str
) -> None:
    install(site, module)
    with pytest.raises(UsageError, match=words):
        known_sets()
    assert known_set("ped2").name == "ucsd-ped2"


def test_a_package_that_is_found_twice_counts_once(site: Path) -> None:
    install(site, CORRIDOR)
    install(site, CORRIDOR, name="corridor-set-again")
    assert [k.name for k in known_sets()].count("corridor") == 1
