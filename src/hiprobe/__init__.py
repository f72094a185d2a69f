"""Few-shot video anomaly detection from the hidden states of frozen multimodal LLMs.

The names below are loaded when they are first used, so that `import hiprobe` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiprobe.backbones.interface import Backbone
    from hiprobe.backbones.registry import get_backbone, list_backbones, open_backbone
    from hiprobe.datasets.clips import LabelledClip, read_clips
    from hiprobe.errors import HiProbeError
    from hiprobe.fingerprint import Fingerprint
    from hiprobe.pipeline import (
        ExtractionSettings,
        Stretch,
        detect_video,
        explain,
        extract_clip,
        extract_examples,
        extract_prompts,
        extract_video,
        extract_views,
        states_of,
    )
    from hiprobe.probe import Probe
    from hiprobe.report.writers import ScoredVideo, write_result
    from hiprobe.segment import Segment
    from hiprobe.spec import BackboneSpec
    from hiprobe.states import LabelledStates, States, VideoStates
    from hiprobe.store.states_cache import StatesCache
    from hiprobe.store.states_file import read_states, write_states
    from hiprobe.store.states_table import read_layer
    from hiprobe.timeline import Event, Timeline
    from hiprobe.video.segments import read_segments

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "hiprobe.backbones.interface",
    "get_backbone": "hiprobe.backbones.registry",
    "list_backbones": "hiprobe.backbones.registry",
    "open_backbone": "hiprobe.backbones.registry",
    "BackboneSpec": "hiprobe.spec",
    "LabelledClip": "hiprobe.datasets.clips",
    "read_clips": "hiprobe.datasets.clips",
    "HiProbeError": "hiprobe.errors",
    "ExtractionSettings": "hiprobe.pipeline",
    "Stretch": "hiprobe.pipeline",
    "detect_video": "hiprobe.pipeline",
    "explain": "hiprobe.pipeline",
    "extract_clip": "hiprobe.pipeline",
    "extract_examples": "hiprobe.pipeline",
    "extract_prompts": "hiprobe.pipeline",
    "extract_video": "hiprobe.pipeline",
    "extract_views": "hiprobe.pipeline",
    "states_of": "hiprobe.pipeline",
    "Probe": "hiprobe.probe",
    "ScoredVideo": "hiprobe.report.writers",
    "write_result": "hiprobe.report.writers",
    "Segment": "hiprobe.segment",
    "Fingerprint": "hiprobe.states",
    "LabelledStates": "hiprobe.states",
    "States": "hiprobe.states",
    "VideoStates": "hiprobe.states",
    "StatesCache": "hiprobe.store.states_cache",
    "read_layer": "hiprobe.store.states_table",
    "read_states": "hiprobe.store.states_file",
    "write_states": "hiprobe.store.states_file",
    "Event": "hiprobe.timeline",
    "Timeline": "hiprobe.timeline",
    "read_segments": "hiprobe.video.segments",
}

__all__ = [
    "Backbone",
    "BackboneSpec",
    "Event",
    "ExtractionSettings",
    "Fingerprint",
    "HiProbeError",
    "LabelledClip",
    "LabelledStates",
    "Probe",
    "ScoredVideo",
    "Segment",
    "States",
    "StatesCache",
    "Stretch",
    "Timeline",
    "VideoStates",
    "__version__",
    "detect_video",
    "explain",
    "extract_clip",
    "extract_examples",
    "extract_prompts",
    "extract_video",
    "extract_views",
    "get_backbone",
    "list_backbones",
    "open_backbone",
    "read_clips",
    "read_layer",
    "read_segments",
    "read_states",
    "states_of",
    "write_result",
    "write_states",
]


# Loaded when it is asked for: `import hiprobe` takes milliseconds, torch and transformers seconds.
def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hiprobe' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
