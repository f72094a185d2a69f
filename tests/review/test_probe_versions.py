"""Versions of a probe: none is lost, and any comes back."""

from pathlib import Path

import pytest
from review_case import make_case

from hiprobe.calibration import conformal_threshold
from hiprobe.errors import ProbeFolderError, UsageError
from hiprobe.probe import Probe
from hiprobe.probe.camera_file import CalibratedCamera, read_camera, write_camera
from hiprobe.review.library import Library
from hiprobe.review.probe_versions import ProbeVersions
from hiprobe.review.teach import Teacher
from hiprobe.review.values import UnknownIdError
from hiprobe.store.states_file import read_states


def test_a_threshold_for_all_is_a_version_and_comes_back(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    with Library.open([case.results], probe=case.probe) as library:
        first = library.videos()[0]
        before, count = library.version, library.events().total
        library.set_threshold(first.id, 0.9, "ann")
        made = library.set_threshold(None, 0.999, "ann")
        assert (made.number, made.current, made.threshold) == (2, True, 0.999)
        assert {v.threshold for v in library.videos()} == {0.999}
        assert library.events().total < count
    with Library.open([case.results]) as again:  # the store remembers the probe
        assert {v.threshold for v in again.videos()} == {0.999}
        assert again.version == made
        probe = again.probe_in_use()
        assert again.videos()[0].kappa == pytest.approx(probe.probe.kappa)
        probe.restore(1, "ann")
        assert Probe.load(case.probe).threshold_ == before.threshold
        assert [v.number for v in probe.versions.all()] == [1, 2, 3]
        with pytest.raises(UnknownIdError, match="no version 9"):
            probe.restore(9, "ann")


def test_a_fit_outside_the_review_becomes_a_version(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    assert ProbeVersions.open(case.probe).current.number == 1
    probe = Probe.load(case.probe)
    Probe(kappa=1.0).fit(probe.examples()).save(case.probe)
    found = ProbeVersions.open(case.probe)
    assert [v.reason for v in found.all()] == ["fitted", "changed outside the review"]
    assert found.base().kappa == 1.0


def test_a_folder_that_a_crash_left_half_written_is_mended(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    ProbeVersions.open(case.probe)
    before = Probe.load(case.probe).threshold_
    (case.probe / "probe.safetensors").write_bytes(b"half")
    (case.probe / "versions" / ".new").mkdir()
    assert ProbeVersions.open(case.probe).probe().threshold_ == before
    assert Probe.load(case.probe).examples()


def test_two_changes_of_one_version_are_told(tmp_path: Path) -> None:
    versions = ProbeVersions.open(make_case(tmp_path).probe)
    probe = versions.probe()
    versions.keep(probe, "one", reviewer="ann", label_count=1, after=1)
    with pytest.raises(ProbeFolderError, match="version 2 by now"):
        versions.keep(probe, "two", reviewer="bob", label_count=1, after=1)


def test_what_needs_a_probe_says_so(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    with Library.open([case.results]) as library:
        assert library.version.number == 0
        with pytest.raises(UsageError, match="--probe"):
            library.set_threshold(None, 0.5, "ann")
    with Library.open([case.results], probe=case.probe) as library:
        card = library.probe()
        assert (card.name, card.layer, card.classes) == ("probe", 3, ("fight", "normal"))
        assert [row.layer for row in card.layers] == [1, 2, 3, 4]


def calibrate(
    probe: Path,
    name: str,
    maxima: tuple[float, ...],
    *,
    footage: tuple[str, ...] = (),
    block_seconds: float = 60,
) -> None:
    promise = conformal_threshold(maxima, per_hour=10, block_seconds=block_seconds)
    camera = CalibratedCamera(promise=promise, maxima=maxima, ema_weight=0.25, footage=footage)
    write_camera(probe, name, camera)


def test_alarms_are_counted_on_calibrated_footage(tmp_path: Path) -> None:
    """As long as the scores are those of the calibration; its threshold may move."""
    case = make_case(tmp_path)
    with Library.open([case.results], probe=case.probe) as library:
        assert library.alarm_rate(0.5) is None
        calibrate(case.probe, "videos", (0.1, 0.2, 0.6, 0.9))  # as the folder of the videos
        calibrate(case.probe, "gate", (0.7,) * 4)

        def rate(threshold: float, video: str | None = None) -> tuple[float, str] | None:
            found = library.alarm_rate(threshold, video_id=video)
            return None if found is None else (round(found.per_hour, 6), found.footage)

        one = library.videos()[0].id
        every = "0.13 hours of calibrated footage (gate, videos)"
        assert rate(0.5) == (45, every)
        assert rate(0.65, one) == (15, "0.067 hours of calibrated footage (videos)")
        library.set_threshold(None, 0.4, "ann")
        assert rate(0.5) == (45, every)
        assert read_camera(case.probe, "gate").maxima == (0.7,) * 4
        event = library.events().events[0]
        library.label(event_id=event.id, kind="normal", reviewer="ann")
        teacher = Teacher(library)
        refit = teacher.refit()
        assert refit.stale_cameras == ("gate", "videos")
        teacher.accept(refit.id, "ann")
        assert rate(0.5) is None
        with pytest.raises(ProbeFolderError, match="knows no camera"):
            read_camera(case.probe, "gate")
        teacher.restore(2, "ann")
        assert rate(0.5) == (45, every)


def test_a_refit_is_compared_on_calibrated_footage_whose_states_are_kept(tmp_path: Path) -> None:
    case = make_case(tmp_path)
    files = [str(tmp_path / "videos" / f"{name}.safetensors") for name in ("yard", "kitchen")]

    def alarms(probe: Probe, *, above: float) -> int:
        """Segments are blocks here."""
        found = [probe.detect(read_states(Path(f)).states["last"], smoothing="ema") for f in files]
        return sum(int((one.smoothed > above).sum()) for one in found)

    with Library.open([case.results], probe=case.probe) as library:
        old = library.probe_in_use().probe
        maxima = [old.detect(read_states(Path(f)).states["last"], smoothing="ema") for f in files]
        flat = tuple(float(score) for one in maxima for score in one.smoothed)
        calibrate(case.probe, "gone", (0.7,) * 4, footage=("0" * 40,), block_seconds=1)
        calibrate(case.probe, "yard", flat, footage=tuple(files), block_seconds=1)
        teacher = Teacher(library)
        for event in library.events().events:
            library.label(event_id=event.id, kind="normal", reviewer="ann")
        refit = teacher.refit()
        before, after = refit.alarms_before, refit.alarms_after
        assert before is not None and after is not None
        assert before.footage == after.footage == "0.0078 hours of calibrated footage (yard)"
        counted = [round(rate.per_hour * rate.hours) for rate in (before, after)]
        assert counted[0] == alarms(old, above=old.threshold_)
        teacher.accept(refit.id, "ann")
        new = library.probe_in_use().probe
        assert counted[1] == alarms(new, above=new.threshold_) != counted[0]
