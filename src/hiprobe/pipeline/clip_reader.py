"""One labelled clip, from a video or a file of states, in each view that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hiprobe.backbones.interface import Backbone
from hiprobe.datasets.clips import LabelledClip
from hiprobe.pipeline.extracted import examples_of_file, is_extracted
from hiprobe.pipeline.progress import Progress
from hiprobe.pipeline.settings import ExtractionSettings, Stretch
from hiprobe.pipeline.units import Unit, extract_units
from hiprobe.states import LabelledStates
from hiprobe.store.cache import StatesCache


@dataclass(frozen=True)
class ClipReader:
    """Reads one labelled clip after the other in the same way, in several views at once.

    Attributes:
        prompts: None for the backbone's own.
        want: units to read.
    """

    backbone: Backbone | None
    prompts: Sequence[str] | None
    settings: ExtractionSettings
    want: Sequence[Unit]
    cache: StatesCache | None

    @property
    def view_count(self) -> int:
        """Prompts by readings."""
        prompts = 1 if self.prompts is None else len(self.prompts)
        return prompts * len(self.settings.readings)

    def read(self, clip: LabelledClip, progress: Progress | None) -> list[LabelledStates]:
        """One example for each view: for each prompt, each reading.

        Raises:
            VideoError, BackboneMemoryError, StatesError, FingerprintError: the clip cannot be used.
        """
        if self.backbone is None or is_extracted(clip.video):
            return examples_of_file(
                clip,
                layers=self.settings.layers,
                readings=self.settings.readings,
                prompts=self.prompts,
                want=self.want,
                fingerprint=None if self.backbone is None else self.backbone.fingerprint,
            )
        own = (self.backbone.fingerprint.prompt,)
        prompts = own if self.prompts is None else tuple(self.prompts)
        whole, segments = extract_units(
            clip.video,
            backbone=self.backbone,
            prompts=prompts,
            want=self.want,
            settings=self.settings,
            stretch=Stretch(clip.start_seconds, clip.end_seconds),
            cache=self.cache,
            progress=progress,
        )
        return [
            LabelledStates(
                clip.name,
                clip.label,
                clip.source,
                whole[prompt].clip[reading] if whole else None,
                segments[prompt].states[reading] if segments else None,
                clip.class_name,
                self.settings.provenance(self.backbone),
            )
            for prompt in prompts
            for reading in self.settings.readings
        ]
