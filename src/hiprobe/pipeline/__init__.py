"""From videos to states, examples and timelines: the loop that every command shares."""

from hiprobe.pipeline.detect import DetectResult, detect_video
from hiprobe.pipeline.examples import Failure, extract_examples
from hiprobe.pipeline.explain import Prompts, explain
from hiprobe.pipeline.extract import extract_clip, extract_video
from hiprobe.pipeline.progress import Progress, ProgressEvent

__all__ = [
    "DetectResult",
    "Failure",
    "Progress",
    "ProgressEvent",
    "Prompts",
    "detect_video",
    "explain",
    "extract_clip",
    "extract_examples",
    "extract_video",
]
