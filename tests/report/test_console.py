import io
from dataclasses import replace

from rich.console import Console

from hiprobe.report.layer_chart import LayerCurves
from hiprobe.report.terminal import events_caption, events_table, layers_table


def printed(table) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(table)
    return " ".join(console.file.getvalue().split())


def test_events_with_truth_and_words(timeline):
    text = printed(events_table(timeline, video="a.mp4", truth_spans=[(4.0, 6.0)]))
    assert "0:02.0 │ 0:05.0 │ 3.0 │ 0.900 │ 0.843 │ 1.0 of 3.0 s" in text
    assert 'Two people "fight" <hard> & fall.' in text
    assert "1 event in 10 segments; whole video read; 1 without a score" in text


def test_no_events_and_broken_off(quiet):
    text = printed(events_table(replace(quiet, ended="truncated"), video="a.mp4"))
    assert "no event in 3 segments; the file breaks off" in text
    assert "truth" not in text


def test_one_segment_is_no_plural(quiet):
    one = replace(
        quiet,
        start_seconds=quiet.start_seconds[:1],
        end_seconds=quiet.end_seconds[:1],
        scores=quiet.scores[:1],
        smoothed=quiet.smoothed[:1],
    )
    assert events_caption(one) == "no event in 1 segment; whole video read"


def test_markup_in_names_and_words_is_shown_as_written(timeline):
    event = replace(timeline.events[0], explanation="a [red]bus[/red] and [/nothing]")
    table = events_table(replace(timeline, events=(event,)), video="cam[1].mp4")
    text = printed(table)
    assert "a [red]bus[/red] and [/nothing]" in text
    assert "cam[1].mp4" in text


def test_layers_mark_the_chosen_one_in_both_numberings():
    values = [0.1, 0.2, 0.3]
    curves = LayerCurves([1, 2, 3], values, values, values, values, chosen=2)
    text = printed(layers_table(curves))
    assert "│ 2 │ 1 │ 0.200 │ 0.200 │ 0.200 │ 0.200 │ chosen │" in text
    assert text.count("chosen") == 1
    assert (
        "layer 2 (1 in the paper's count): set by hand; layer 3 separates your clips best" in text
    )
