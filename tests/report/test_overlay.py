from fractions import Fraction

import numpy as np
import pytest

from hiprobe.report.overlay import Overlay, annotate_video
from hiprobe.video.decode import FrameReader
from hiprobe.video.write import write_video

TRUTH = [(6.5, 8.5)]


def grey(height=120, width=160):
    return np.full((height, width, 3), 128, dtype=np.uint8)


def is_red(pixels):
    red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return (red - green > 80) & (red - blue > 80)


def is_blue(pixels):
    red, _, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return blue - red > 60


def has_border(picture):
    return is_red(picture[2:-2, 0]).mean() > 0.9 and is_red(picture[0, 2:-2]).mean() > 0.9


def upper(picture):
    return picture[: len(picture) // 2]


def test_written_video_has_the_border_only_within_the_event(timeline, tmp_path):
    write_video(tmp_path / "in.mp4", (grey() for _ in range(100)), fps=Fraction(10))
    annotate_video(tmp_path / "in.mp4", timeline, tmp_path / "out.mp4", truth_spans=TRUTH)
    frames = [(frame.seconds, frame.rgb()) for frame in FrameReader(tmp_path / "out.mp4")]
    assert len(frames) == 100
    bordered = [round(seconds, 3) for seconds, pixels in frames if has_border(pixels)]
    assert bordered == [round(2 + 0.1 * i, 3) for i in range(30)]
    marked = [round(s, 3) for s, pixels in frames if is_blue(upper(pixels)).any()]
    assert marked == [round(6.5 + 0.1 * i, 3) for i in range(20)]


def test_event_is_half_open(timeline):
    overlay = Overlay(timeline)
    inside = [has_border(overlay.draw(grey(), s)) for s in (1.999, 2.0, 4.999, 5.0)]
    assert inside == [False, True, True, False]


@pytest.mark.parametrize("size", [(120, 160), (1080, 1920), (640, 360), (40, 40), (97, 131)])
def test_detected_and_truth_are_marked_apart_in_any_size(timeline, size):
    overlay = Overlay(timeline, truth_spans=TRUTH, note="rendered scenes, not filmed")
    detected, truth = overlay.draw(grey(*size), 3.0), overlay.draw(grey(*size), 7.0)
    assert detected.shape == truth.shape == (*size, 3)
    assert has_border(detected) and not is_blue(upper(detected)).any()
    assert is_blue(upper(truth)).any() and not is_red(upper(truth)).any()


def test_source_frame_is_left_alone(timeline):
    frame = grey()
    Overlay(timeline).draw(frame, 3.0)
    assert (frame == 128).all()


def test_playhead_moves_from_left_to_right(timeline):
    overlay = Overlay(timeline)
    strip = [overlay.draw(grey(), s)[-18:-4].min(axis=(0, 2)) for s in (0.0, 5.5, 9.99)]
    columns = [int(np.flatnonzero(line == 255)[0]) for line in strip]
    assert columns[0] < 5 and 80 < columns[1] < 95 and columns[2] > 150


def test_failed_segment_shows_no_bar(timeline):
    overlay = Overlay(timeline)
    white = [(overlay.draw(grey(), s)[:20, 60:130] > 230).all(axis=2).sum() for s in (5.5, 6.5)]
    assert white[0] == 0 and white[1] > 0


def test_no_segment_and_no_event(empty, quiet):
    for timeline in (empty, quiet):
        picture = Overlay(timeline, truth_spans=[]).draw(grey(), 1.0)
        assert not is_red(picture).any() and not is_blue(picture).any()


def test_frames_of_another_size_come_out_in_the_first_size(timeline):
    overlay = Overlay(timeline)
    overlay.draw(grey(), 0.0)
    assert overlay.draw(grey(240, 320), 1.0).shape == (120, 160, 3)


def test_a_long_note_is_shown_and_moves_the_strip_up(timeline):
    plain = Overlay(timeline).draw(grey(), 0.5)
    noted = Overlay(timeline, note="joined from separate clips").draw(grey(), 0.5)
    changed = [np.flatnonzero((picture != 128).any(axis=(1, 2))) for picture in (plain, noted)]
    assert changed[1][changed[1] > 60].min() < changed[0][changed[0] > 60].min()
