"""Tables 1 and 2, end to end on small trees in the published layouts, with a real backbone."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from hiprobe.datasets.check_folder import check_dataset
from hiprobe.datasets.ground_truth import load_truth
from hiprobe.datasets.manifest import write_manifest
from hiprobe.errors import HiProbeError
from hiprobe.reproduce.clip_states import Bench, Extraction
from hiprobe.reproduce.experiments.tables_1_2 import table1
from hiprobe.reproduce.published_rows import SECTION
from hiprobe.reproduce.request import DataSource, FinishedPieces, ReproduceRequest, experiment
from hiprobe.reproduce.run_experiments import run_one
from hiprobe.store.states_cache import StatesCache

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "backbones")]
import tiny_sets
from planted import planted_opener


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory):
    return planted_opener(tmp_path_factory.mktemp("tiny-lite"))


def _bench(root: Path, out: Path, opener, **settings) -> Bench:
    request = ReproduceRequest(
        data=(DataSource("tiny", root),), out=out, folds=2, draws=50, **settings
    )
    extraction = Extraction(request, opener, StatesCache(out / "states"))
    return Bench(request, extraction, FinishedPieces(out / "kept"), say=lambda line: None)


@pytest.fixture(scope="module")
def ucf(tmp_path_factory: pytest.TempPathFactory, opener):
    place = tmp_path_factory.mktemp("ucf")
    root = tiny_sets.write_ucf_crime(place / "root")
    bench = _bench(root, place / "out", opener, seeds=(0, 1), labelled_share=0.5)
    return bench, table1(bench)


def _ours(found, metric: str):
    rows = [r for r in found.rows if r.setting.startswith("HiProbe") and r.metric == metric]
    assert len(rows) == 1
    return rows[0]


def test_table_1_from_a_root_in_the_published_layout(ucf) -> None:
    _, found = ucf
    row = _ours(found, "frame AUC")
    # hard noise against grey, which the states tell apart by construction
    assert row.ours > 0.9
    assert len(row.by_seed) == 2 and row.low is not None and row.low <= row.ours <= row.high
    assert [(p.column, p.value) for p in row.paper] == [("UCF-Crime, frame AUC", 0.8672)]
    assert _ours(found, "AUC within a video").ours > 0.8
    assert not _ours(found, "frame AP").paper


def test_the_floors_see_the_same_frames(ucf) -> None:
    _, found = ucf
    floors = {(r.setting, r.metric): r.ours for r in found.rows if r.section.startswith("Floors")}
    truth = {v.name: v for v in load_truth("ucf-crime").videos}
    abnormal = [truth[n] for n in tiny_sets.UCF_TEST if truth[n].spans]
    positives = sum(int(b - a + 1) for v in abnormal for a, b in v.spans)  # end frame included
    shown = sum(v.frames for v in abnormal)
    assert floors["video-label oracle", "frame AP"] == pytest.approx(positives / shown)
    assert floors["constant", "frame AUC"] == 0.5


def test_published_numbers_stand_beside_with_their_kind(ucf) -> None:
    _, found = ucf
    peers = [r for r in found.rows if r.section == SECTION]
    assert len(peers) > 8 and not any(r.defined for r in peers)
    assert any("training-free" in r.setting or "no training video" in r.setting for r in peers)
    assert any("Sources of the published numbers" in n for n in found.notes)


def test_the_draw_is_saved_with_the_run(ucf) -> None:
    bench, found = ucf
    with (bench.request.out / "table1" / "few-shot-seed0.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(r["label"] for r in rows) == ["0", "0", "1", "1"]
    assert {r["name"] for r in rows} <= set(tiny_sets.UCF_TRAIN)
    assert any("labels are by video" in n and "inclusive" in n for n in found.notes)


def test_a_second_run_reads_no_test_video(ucf, monkeypatch) -> None:
    bench, found = ucf

    def fail(*args, **settings):
        raise AssertionError("read again")

    monkeypatch.setattr(Extraction, "video", fail)
    again = table1(bench)
    assert [r for r in again.rows if r.defined] == [r for r in found.rows if r.defined]


def test_table_2_joins_every_name_and_names_what_is_broken(tmp_path: Path, opener) -> None:
    root = tiny_sets.write_xd_violence(tmp_path / "root")
    broken = root / "videos" / f"{tiny_sets.XD_TEST[3]}.mp4"
    manifest = check_dataset("xd-violence", root, kept=tmp_path).manifest
    assert manifest is not None
    write_manifest(manifest, path=root / "manifest.csv")
    broken.write_bytes(b"no video any more")
    bench = _bench(root, tmp_path / "out", opener, seeds=(0,), labelled_share=0.7)
    result = run_one(experiment("table2"), bench.extraction, say=lambda line: None)
    found = result.findings
    page = (tmp_path / "out" / "table2" / "table.md").read_text(encoding="utf-8")
    assert "tiny: XD-Violence" in page and "6 training, 3 test videos" in page
    assert "| VadCLIP: trained on the whole training set" in page and "| 0.8451 |" in page
    row = _ours(found, "frame AP")
    floors = {(r.setting, r.metric): r.ours for r in found.rows if r.section.startswith("Floors")}
    # the states tell the kinds apart: far above a constant score, if every name is joined
    assert row.ours > floors["constant", "frame AP"] + 0.25
    assert [(p.column, p.value) for p in row.paper] == [("XD-Violence, frame AP", 0.8215)]
    assert any("3 test videos" in n for n in found.notes)
    assert any("1 test videos are left out" in n and broken.stem in n for n in found.notes)


def test_a_folder_that_is_something_else_says_what_to_place_where(tmp_path: Path, opener) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(HiProbeError, match="UCF-Crime"):
        table1(_bench(tmp_path / "root", tmp_path / "out", opener))


def test_the_tables_label_one_percent(tmp_path: Path, opener) -> None:
    assert _bench(tmp_path, tmp_path, opener).request.labelled_share == 0.01


def test_the_vision_baseline_stands_beside_without_the_papers_number(ucf) -> None:
    _, found = ucf
    rows = [r for r in found.rows if r.setting.startswith("Vision change alone")]
    assert {r.metric for r in rows} >= {"frame AUC", "frame AP"}
    assert all(r.defined and not r.paper for r in rows)
