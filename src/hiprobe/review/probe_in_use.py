"""The probe of a review: its versions, and the states that it can score without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hiprobe.datasets.video_files import is_states_name
from hiprobe.errors import HiProbeError
from hiprobe.joined import layers_of, readings_read, states_read
from hiprobe.localize import Smoothing
from hiprobe.names import path_text, shown, text_path
from hiprobe.overlap import spans_of_windows
from hiprobe.pipeline.reading import ExtractionSettings
from hiprobe.pipeline.stream import StatesUnit
from hiprobe.probe import Probe
from hiprobe.probe.camera_file import CalibratedCamera, read_cameras
from hiprobe.probe.fit_results import basis_of
from hiprobe.review.probe_versions import ProbeVersions
from hiprobe.review.result_videos import ResultVideo
from hiprobe.review.store import ReviewStore
from hiprobe.review.values import ProbeCard, ProbeLayer, ProbeVersion
from hiprobe.segment import WHOLE
from hiprobe.settings import states_folder
from hiprobe.states import Reading, States, VideoStates
from hiprobe.store.states_cache import StatesCache
from hiprobe.store.states_file import read_states
from hiprobe.timeline import Timeline


@dataclass
class ProbeInUse:
    """The probe that scored the results, as it is now."""

    versions: ProbeVersions
    probe: Probe

    @classmethod
    def open(cls, folder: Path) -> ProbeInUse:
        """The last version of a probe folder.

        Raises:
            ProbeFolderError: the folder holds no probe.
            StorageError: it cannot be written.
        """
        versions = ProbeVersions.open(folder)
        return cls(versions, versions.probe())

    @classmethod
    def of_store(cls, store: ReviewStore, folder: Path | None) -> ProbeInUse | None:
        """The probe of a folder, which the store remembers from then on.

        Args:
            folder: None takes the folder that the store remembers, if it remembers one.

        Raises:
            ProbeFolderError: the folder holds no probe.
            StorageError: it cannot be written.
        """
        if folder is None:
            known = store.setting("probe")
            return None if known is None else cls.open(text_path(known))
        found = cls.open(folder)
        # Only after it could be opened: a slip in the path is not remembered.
        store.keep_setting("probe", path_text(folder.absolute()))
        return found

    def states(self, video: ResultVideo, layers: Sequence[int] | None = None) -> States | None:
        """The states of a video's segments, kept from when it was scored.

        Args:
            layers: None takes the probe's own.

        Returns:
            None where they are not in the cache, or were cut into other segments than the scores.
        """
        wanted = (self.probe.layer_,) if layers is None else tuple(layers)
        try:
            found = self._kept(video, wanted)
            if found is not None:
                self.probe.check_fingerprint(found.fingerprint)
        except HiProbeError:
            # Gone, damaged, without the layer, or of another backbone. A review must open anyway:
            # what cannot be scored again keeps its scores and is named as left out.
            return None
        if found is None or not _same_segments(found, video.timeline):
            return None
        return found

    def whole(self, video: ResultVideo, layers: Sequence[int]) -> States | None:
        """The single row for a whole video, from key frames over all of it; None if not kept.

        `hiprobe extract` and `fit` make it, `detect` does not.
        """
        try:
            found = self._kept(video, tuple(layers), unit="clip")
            if found is not None:
                self.probe.check_fingerprint(found.fingerprint)
        except HiProbeError:  # as in `states`
            return None
        return found

    def _kept(
        self, video: ResultVideo, layers: tuple[int, ...], *, unit: StatesUnit = "segments"
    ) -> States | None:
        """States as the probe reads them; for a committee those of all members, side by side.

        Raises:
            HiProbeError: a file of states is gone or damaged, or lacks a layer.
        """
        members, readings = self.probe.members, readings_read(self.probe)
        held = layers_of(members) if members else layers
        kept: VideoStates | None
        if is_states_name(video.path):
            kept = read_states(text_path(video.path))
        else:
            kept = self._cached(video, held, readings, unit)
        if kept is None:
            return None
        every = kept.states if unit == "segments" else kept.clip
        if not set(readings) <= set(every):
            return None
        found = states_read(every, self.probe)
        return found if members else found.select_layers(layers)

    def _cached(
        self,
        video: ResultVideo,
        layers: tuple[int, ...],
        readings: tuple[Reading, ...],
        unit: StatesUnit,
    ) -> VideoStates | None:
        if video.content is None:
            return None
        cache = StatesCache(states_folder())
        cut = ExtractionSettings.like(self.probe.provenance_)
        skipping = replace(cut, skip_still=True)
        # Scores with reused segments come from a run that skipped still ones. A run that skipped
        # them and found none leaves scores that look like those of any other.
        for how in (skipping,) if video.timeline.reused_segments else (cut, skipping):
            key = cache.key_of_content(
                video.content,
                settings=how.key_parts(unit, WHOLE),
                fingerprint=self.probe.fingerprint_,
            )
            found = cache.get(key, layers=layers, readings=readings)
            if found is not None:
                return found
        return None

    def scored(
        self, video: ResultVideo, probe: Probe | None = None, *, threshold: float | None = None
    ) -> Timeline | None:
        """A video scored again from its states in the cache.

        Args:
            probe: None takes the one in use.
            threshold: the one set for this video; None takes the probe's.

        Returns:
            None where its states are not kept.
        """
        chosen = probe or self.probe
        states = self.states(video, (chosen.layer_,))
        if states is None:
            return None
        # As the video was smoothed, not as the probe would: `detect` may have been told otherwise.
        own = Smoothing.of(video.timeline)
        timeline = chosen.detect(
            states,
            threshold=threshold,
            smoothing=own.kind,
            sigma_segments=own.sigma_segments if own.kind == "gaussian" else None,
            ema_weight=own.ema_weight if own.kind == "ema" else None,
        )
        return replace(timeline, ended=video.timeline.ended)

    def cameras(self) -> dict[str, CalibratedCamera]:
        """The cameras that were calibrated for the probe as it is now, by name.

        Raises:
            ProbeFolderError: their file is damaged or of another version.
        """
        return read_cameras(self.versions.folder)

    def has_scored(self, facts: Mapping[str, Any]) -> bool:
        """Whether results with these facts are of the probe as it is now."""
        return dict(facts) == self.probe.facts()

    def kappa_of(self, threshold: float) -> float | None:
        """The kappa that gives a threshold; None where all clips score alike.

        It solves T = mean + kappa x deviation of the few-shot scores (paper, eq. 10).
        """
        found = self.probe.few_shot_scores_
        scores = found[basis_of(found, self.probe.threshold_scores)]
        scores = scores[np.isfinite(scores)]
        deviation = float(scores.std()) if len(scores) else 0.0
        return (threshold - float(scores.mean())) / deviation if deviation > 0 else None

    def at_threshold(self, threshold: float) -> Probe:
        """The probe with another threshold, and with the kappa that gives it.

        A refit has other scores, so that the same number would be stricter or laxer there. The
        kappa stays as strict.
        """
        made, kappa = self.probe, self.kappa_of(threshold)
        summary = made.summarise(threshold)
        fitted = replace(made.fitted(), threshold=threshold, threshold_summary=summary)
        probe = Probe.of(fitted, made, made.examples())
        return probe if kappa is None else probe.set_params(kappa=kappa, threshold=None)

    def take(
        self,
        probe: Probe,
        reason: str,
        *,
        reviewer: str,
        label_count: int,
        after: int,
        scores_alike: bool = False,
    ) -> ProbeVersion:
        """Keep a probe as the new version in use; arguments and errors as `ProbeVersions.keep`."""
        made = self.versions.keep(
            probe,
            reason,
            reviewer=reviewer,
            label_count=label_count,
            after=after,
            scores_alike=scores_alike,
        )
        # Read back from the disk, so that this process scores by what the next one will load.
        self.probe = self.versions.probe()
        return made

    def restore(self, number: int, reviewer: str) -> ProbeVersion:
        """Bring a version back.

        Raises:
            UnknownIdError: there is no such version.
        """
        made = self.versions.restore(number, reviewer)
        self.probe = self.versions.probe()
        return made

    def card(self) -> ProbeCard:
        """What is shown of the probe."""
        probe = self.probe
        table = probe.layer_table_
        rows = zip(table.layers, table.total, table.cv_auc, strict=True)
        named = {e.class_name or ("anomaly" if e.label else "normal") for e in probe.examples()}
        return ProbeCard(
            name=shown(self.versions.folder.absolute().name),
            recipe=f"{probe.reading_}, {probe.mode_}, {probe.facts()['scorer']}",
            layer=probe.layer_,
            cv_auc=probe.cv_auc_,
            threshold=probe.threshold_,
            layers=tuple(
                ProbeLayer(layer=n, saliency=_number(s), cv_auc=_number(a)) for n, s, a in rows
            ),
            classes=tuple(sorted(named)),
        )


def _same_segments(states: States, timeline: Timeline) -> bool:
    """Whether the scores are of these segments, or of the spans that overlapping windows become."""
    # A millisecond is far below a frame: it lets rounded times pass, and no other segments.
    spans = spans_of_windows(
        states.start_seconds,
        states.end_seconds,
        np.zeros(len(states)),
        is_causal=Smoothing.of(timeline).is_causal,
    )
    pairs = (
        (spans.start_seconds, timeline.start_seconds),
        (spans.end_seconds, timeline.end_seconds),
    )
    return all(len(a) == len(b) and np.allclose(a, b, rtol=0, atol=1e-3) for a, b in pairs)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
