"""From videos to states, examples and timelines: the loop that every command shares."""

from hiprobe.failures import Failure
from hiprobe.pipeline.detection import DetectResult, detect_video
from hiprobe.pipeline.examples import extract_examples, extract_views
from hiprobe.pipeline.explaining import Prompts, explain
from hiprobe.pipeline.extraction import (
    extract_clip,
    extract_clip_prompts,
    extract_prompts,
    extract_video,
    states_of,
)
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.pipeline.stream import extract_units
from hiprobe.progress import Progress, ProgressEvent
from hiprobe.segment import Stretch

__all__ = [
    "DetectResult",
    "ExtractionSettings",
    "Failure",
    "Progress",
    "ProgressEvent",
    "Prompts",
    "Stretch",
    "detect_video",
    "explain",
    "extract_clip",
    "extract_clip_prompts",
    "extract_examples",
    "extract_prompts",
    "extract_units",
    "extract_video",
    "extract_views",
    "states_of",
]
