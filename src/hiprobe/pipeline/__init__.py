"""From videos to states, examples and timelines: the loop that every command shares."""

from hiprobe.failures import Failure
from hiprobe.pipeline.asking import Prompts
from hiprobe.pipeline.detect import DetectResult, detect_video
from hiprobe.pipeline.examples import extract_examples, extract_views
from hiprobe.pipeline.explain import explain
from hiprobe.pipeline.extract import (
    extract_clip,
    extract_clip_prompts,
    extract_prompts,
    extract_video,
)
from hiprobe.pipeline.progress import Progress, ProgressEvent
from hiprobe.pipeline.settings import ExtractionSettings, Stretch
from hiprobe.pipeline.units import extract_units

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
]
