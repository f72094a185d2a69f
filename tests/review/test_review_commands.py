"""`events`, `correct` and `labels` on real stores, without a model."""

import json
import zipfile
from pathlib import Path

from click.testing import CliRunner, Result
from results_folder import make_clip, write_result
from review_case import make_case

from hiprobe.cli.app import app
from hiprobe.cli.labels import EXPORT_NAMES
from hiprobe.review.exports import EXPORTS
from hiprobe.review.library import Library


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_an_event_is_corrected_and_the_old_probe_kept(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    listed = run("events", case.results, "--probe", case.probe)
    assert listed.exit_code == 0, listed.output
    lines = listed.output.splitlines()
    assert all(len(line) <= 40 for line in lines)
    yard = lines[lines.index("yard.safetensors") + 1].split()[0]
    done = run(
        *("correct", yard, "normal", "--note", "dog", "--reviewer", "ann", "-q"),
        *("--results", case.results),
    )
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 64 for line in done.output.splitlines())
    assert "events that vanish: 2" in done.output
    assert "version 2 now; version 1 is kept" in done.output
    assert (case.probe / "versions" / "0001" / "probe.json").is_file()
    after = run("events", case.results).output
    assert "yard.safetensors" not in after


def test_labels_go_out_and_come_in(tmp_path: Path) -> None:
    case, other = make_case(tmp_path / "one"), make_case(tmp_path / "two")
    first = run("events", case.results, "--probe", case.probe).output.splitlines()[1].split()[0]
    run("correct", first, "abnormal", "-q", "--results", case.results)
    out = tmp_path / "labels.json"
    assert run("labels", "export", out, "--results", case.results).exit_code == 0
    assert json.loads(out.read_text())["labels"][0]["kind"] == "anomaly"
    for count in (1, 0):
        taken = run("labels", "import", out, "--results", other.results)
        assert taken.output.startswith(f"{count} new")
    assert run("labels", "export", tmp_path / "a.csv", "--results", case.results).exit_code == 0


def test_labels_go_out_as_temporal_annotations(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    first = run("events", case.results, "--probe", case.probe).output.splitlines()[1].split()[0]
    run("correct", first, "abnormal", "-q", "--results", case.results)
    out = tmp_path / "a.json"
    words = ("labels", "export", out, "--format", "activitynet", "--results", case.results)
    done = run(*words)
    assert done.exit_code == 0, done.output
    (found,) = [v for v in json.loads(out.read_text())["database"].values() if v["annotations"]]
    start, end = found["annotations"][0]["segment"]
    assert 0 <= start < end and found["annotations"][0]["label"]


def test_a_video_that_is_gone_is_named_when_labels_go_out(tmp_path: Path) -> None:
    make_clip(tmp_path / "in" / "there.mp4")
    for name in ("there", "gone"):
        write_result(tmp_path / "r", name=name, video=str(tmp_path / "in" / f"{name}.mp4"))
    with Library.open([tmp_path / "r"]) as library:
        for event in library.events().events:
            library.label(event_id=event.id, kind="normal", reviewer="ann")
    words = ("--format", "cvat", "--results", tmp_path / "r")
    done = run("labels", "export", tmp_path / "some.zip", *words)
    assert done.exit_code == 3 and "gone.mp4" in done.output, done.output
    with zipfile.ZipFile(tmp_path / "some.zip") as archive:
        assert [name for name in archive.namelist() if "there" in name]
    (tmp_path / "in" / "there.mp4").unlink()
    done = run("labels", "export", tmp_path / "none.zip", *words)
    assert done.exit_code == 3 and "nothing was written" in done.output, done.output
    assert not (tmp_path / "none.zip").exists()


def test_what_cannot_be_done_is_told(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    (tmp_path / "bad.json").write_text("[1]")
    for told, words in (
        ("no event", ("correct", "zzz", "normal", "--results", case.results)),
        ("no event", ("correct", "", "normal", "--results", case.results)),
        ("--format", ("labels", "export", tmp_path / "a.xml", "--results", case.results)),
        ("labels export", ("labels", "import", tmp_path / "bad.json", "--results", case.results)),
        ("not a folder", ("events", tmp_path / "nothing")),
    ):
        found = run(*words)
        assert told in found.output
        assert found.exit_code == 2, found.output


def test_a_label_needs_the_probe_first(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    first = run("events", case.results).output.splitlines()[1].split()[0]
    found = run("correct", first, "normal", "--results", case.results)
    assert found.exit_code == 2
    assert "--probe" in found.output


def test_formats_in_the_help_are_those_there_are() -> None:
    assert tuple(EXPORTS) == EXPORT_NAMES
