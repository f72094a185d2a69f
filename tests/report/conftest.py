"""A small scored video that the report tests share."""

import numpy as np
import pytest

from hiprobe.timeline import Event, Explanation, Timeline

TRUTH = ((6.5, 8.5),)


@pytest.fixture
def timeline() -> Timeline:
    """Ten segments of 1 s; detected 2-5 s; the segment at 5 s failed; truth is elsewhere."""
    edges = np.arange(11.0)
    scores = np.array([0.1, 0.2, 0.9, 0.95, 0.8, np.nan, 0.3, 0.1, 0.2, 0.15])
    smoothed = np.array([0.12, 0.25, 0.85, 0.9, 0.78, np.nan, 0.28, 0.14, 0.2, 0.16])
    event = Event(2.0, 5.0, 2, 5, peak=0.9, mean=0.843, peak_seconds=3.5)
    words = Explanation("event", 2.0, 5.0, "What happens?", 'Two people "fight" <hard> & fall.')
    calm = Explanation("normal", 0.0, 1.0, "What happens?", "People walk.")
    return Timeline(
        start_seconds=edges[:-1],
        end_seconds=edges[1:],
        scores=scores,
        smoothed=smoothed,
        threshold=0.5,
        sigma_segments=0.4,
        events=(event,),
        explanations=(words, calm),
    )


@pytest.fixture
def quiet() -> Timeline:
    """Three segments, nothing detected."""
    return Timeline(
        start_seconds=np.array([0.0, 1.0, 2.0]),
        end_seconds=np.array([1.0, 2.0, 2.5]),
        scores=np.array([0.1, 0.2, 0.1]),
        smoothed=np.array([0.1, 0.2, 0.1]),
        threshold=0.5,
        sigma_segments=0.4,
        events=(),
    )


@pytest.fixture
def empty() -> Timeline:
    """A video that was interrupted before its first segment."""
    none = np.zeros(0)
    return Timeline(none, none, none, none, 0.5, 0.4, (), ended="interrupted")
