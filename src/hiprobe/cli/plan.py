"""`hiprobe plan`: what a run will take; also the line that `fit` and `detect` begin with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hiprobe.cli import options
from hiprobe.cli.console import echo, format_left, say
from hiprobe.cli.option_types import MAX_LAYER, MAX_WORKERS, Number, Whole
from hiprobe.cli.plan_report import hours_words, plan_document, print_plan
from hiprobe.cli.session import SessionOptions
from hiprobe.errors import UsageError
from hiprobe.names import is_object
from hiprobe.spec import BackboneSpec

if TYPE_CHECKING:
    from hiprobe.backbones.model_rate import ModelRate
    from hiprobe.backbones.shape import Shape
    from hiprobe.pipeline.measured_rate import MeasuredRate
    from hiprobe.pipeline.planning import Footage, RunPlan, Saving
    from hiprobe.pipeline.reading import ExtractionSettings
    from hiprobe.probe import Probe
    from hiprobe.segment import Stretch

# How many files the first line of a run looks into, since on a network share each takes a moment.
# In an object store this also holds for `hiprobe plan`: an object is copied to read its header.
FEW_HEADERS = 50


@click.command()
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO|FOLDER|GLOB...")
@options.how_opened(
    options.backbone,
    options.dtype,
    options.device,
    options.resize,
    options.quantise,
    options.frames_as,
)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    help="Plan a `detect` with this probe: its backbone, layers and cut.",
)
@click.option(
    "--layer",
    type=Whole(1, MAX_LAYER),
    help="Read this layer alone [default: all layers, as `fit` and `extract` do].",
)
@options.segment_seconds
@options.segment_frames
@options.hop_seconds
@click.option("--gpu", metavar="NAME", help="Plan for a GPU of the table, such as h100 or l4.")
@click.option(
    "--count",
    type=Whole(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="How many of these GPUs.",
)
@click.option(
    "--price-per-hour",
    type=Number(0, 1e6),
    help="Price of one GPU (or of this machine) for an hour, in any currency.",
)
@click.option(
    "--measure/--no-measure",
    default=None,
    help="Measure the backbone on this machine once more, or not at all [default: once, where the "
    "backbone is on this disk].",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@options.quiet
def plan(
    videos: tuple[str, ...],
    spec: BackboneSpec,
    probe: Path | None,
    layer: int | None,
    segment_seconds: float | None,
    segment_frames: int | None,
    hop_seconds: float | None,
    gpu: str | None,
    count: int,
    price_per_hour: float | None,
    measure: bool | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Estimate what a run will take: segments, time, memory, disk, price, and what would halve it.

    Only the headers of the videos are read; where one lacks both length and number of frames, its
    packets are counted, and the plan says so. From an object store at most 50 videos are copied and
    looked into; the others are assumed to be like them. Time comes from the backbone's rate on this
    machine, which is measured once in some ten seconds and kept. With --gpu, and for a backbone
    that is not on this disk, it is a lower bound: the operations needed, at the rate of a plain
    matrix product, which real runs come near but never reach.

    \b
    Examples:
      hiprobe plan recordings/
      hiprobe plan recordings/ --probe my-probe --json
      hiprobe plan recordings/ --backbone internvl2.5-8b --gpu h100 --count 8 --price-per-hour 3
    """
    from hiprobe.cli.run_files import Failures

    if gpu is None and count != 1:
        raise click.UsageError("--count is a number of GPUs: add --gpu")
    if probe is not None and layer is not None:
        raise click.UsageError("a probe knows its layers: leave out --layer")
    files = _videos(videos, quiet=quiet)
    lengths = SessionOptions(
        segment_seconds=segment_seconds, segment_frames=segment_frames, hop_seconds=hop_seconds
    )
    wanted = Wish.of(spec, probe, layer, lengths)
    most = FEW_HEADERS if any(is_object(file) for file in files) else None
    found = wanted.plan(
        files, gpu=gpu, count=count, measure=measure, most_headers=most, quiet=quiet
    )
    cut = wanted.settings
    saved = savings_of(found, cut, spec=wanted.spec)
    if as_json:
        echo(json.dumps(plan_document(found, wanted, saved, price_per_hour), indent=1))
    else:
        print_plan(found, wanted, saved, price_per_hour)
    failures = Failures()
    for file, reason in found.footage.unreadable:
        failures.add(file, reason)
    failures.finish()


def _videos(named: Sequence[str], *, quiet: bool) -> list[Path]:
    """The videos among the files of these names; files of states need no model.

    Raises:
        UsageError: all of them are states, or as `expand_videos`.
    """
    from hiprobe.cli.named_files import expand_videos
    from hiprobe.pipeline.source import open_source

    found = expand_videos(named, tell=None if quiet else say)
    videos = [file for file in found if open_source(file).has_pictures]
    if not videos:
        raise UsageError(
            f"{', '.join(named)}: these are all extracted states, which need no model; give videos"
        )
    return videos


@dataclass(frozen=True)
class Wish:
    """What is to be read of the videos, and by which backbone.

    Attributes:
        spec: the backbone.
        settings: how videos are cut, and the layers (None for all) and readings.
        with_clips: whole clips are read too, as `fit` and `extract` do.
        prompt_count: how many prompts are read with each segment.
    """

    spec: BackboneSpec
    settings: ExtractionSettings
    with_clips: bool
    prompt_count: int = 1

    @classmethod
    def of(
        cls,
        spec: BackboneSpec,
        folder: Path | None,
        layer: int | None,
        lengths: SessionOptions,
    ) -> Wish:
        """What a command with these options would read.

        Args:
            folder: that of a probe, for a `detect`; None for a `fit` or an `extract`.
            layer: the only one to read; None for all.
            lengths: only its lengths of segments count.

        Raises:
            ProbeFolderError: the probe cannot be read.
            UsageError: the hop does not go with the length of segments.
        """
        from hiprobe.pipeline.reading import ExtractionSettings

        if folder is None:
            layers = None if layer is None else (layer,)
            found = cls(spec, ExtractionSettings(layers=layers), with_clips=layer is None)
        else:
            from hiprobe.probe import Probe

            found = cls.of_probe(spec, Probe.load(folder))
        return replace(found, settings=lengths.cut_of(found.settings))

    @classmethod
    def of_probe(
        cls, spec: BackboneSpec, probe: Probe, cut: ExtractionSettings | None = None
    ) -> Wish:
        """What `detect` reads with a probe, by default cut as its clips were."""
        from hiprobe.pipeline.detection import detection_plan

        settings = detection_plan(probe, None, settings=cut).settings
        return cls(spec.over(probe.backbone_spec()), settings, with_clips=False)

    def plan(
        self,
        files: Sequence[Path],
        *,
        gpu: str | None = None,
        count: int = 1,
        measure: bool | None = None,
        stretches: Sequence[Stretch] | None = None,
        most_headers: int | None = None,
        quiet: bool = True,
    ) -> RunPlan:
        """The estimate for some videos.

        Args:
            gpu, count: which GPU of the table, and how many of them; None for this machine.
            measure: True measures the backbone again, False never does, None does if there is no
                rate of it yet and it is on this disk.
            stretches, most_headers: as `Footage.of` takes them.

        Raises:
            UsageError: the GPU or the layer does not exist, or nothing is known of the backbone's
                speed.
            VideoError: no video can be opened.
            BackboneError: there is no such backbone.
        """
        from hiprobe.backbones.model_rate import gpu_named
        from hiprobe.pipeline.planning import Footage, RunPlan, Workers
        from hiprobe.settings import usable_processors
        from hiprobe.states import VISION_READINGS

        footage = Footage.of(files, self.settings, stretches=stretches, most_headers=most_headers)
        shape = shape_of(self.spec)
        known = None if gpu is not None else self._measured(measure, quiet=quiet)
        if known is not None:
            rate, layer_count, width = known.rate, known.layer_count, known.width
        elif shape is not None:
            rate = _floor(shape, gpu, footage)
            layer_count, width = shape.layer_count, shape.width
        else:
            raise UsageError(
                f"the speed of {self.spec.known_as} is not known: leave out --no-measure and --gpu "
                "to measure it here, or name one of `hiprobe backbones`"
            )
        # The vision tower's readings run no layer of the decoder.
        is_decoded = not set(self.settings.readings) <= set(VISION_READINGS)
        layers = self.settings.layers_of(layer_count) if is_decoded else (0,)
        on_gpu = gpu is not None or bool(known and known.gpu_bytes)
        memory = gpu_named(gpu).memory_bytes if gpu else None
        return RunPlan(
            footage=footage,
            with_clips=self.with_clips,
            layers_read=len(layers),
            depth=layers[-1],
            reading_count=len(self.settings.readings),
            prompt_count=self.prompt_count,
            layer_count=layer_count,
            width=width,
            rate=rate.at(
                shape, frame_pixels=footage.frame_pixels, key_frames=self.settings.key_frames
            ),
            shape=shape,
            number_bytes=self._number_bytes(shape, on_gpu=on_gpu),
            workers=Workers(
                gpu_count=count if on_gpu else 0,
                cores=usable_processors() if gpu is None else None,
                decoding_factor=known.decoding_factor if known else 1.0,
                memory_bytes=memory,
            ),
            process_bytes=known.process_bytes if known else None,
        )

    def _measured(self, measure: bool | None, *, quiet: bool) -> MeasuredRate | None:
        from hiprobe.pipeline.measured_rate import kept_rate, rate_of

        kept = kept_rate(self.spec)
        if measure is False or (measure is None and kept is not None):
            return kept
        if measure is None and not _is_here(self.spec):
            return None
        if not quiet:
            say(f"measuring {self.spec.known_as} on this machine; later plans reuse the result")
        return rate_of(self.spec, fresh=True)

    def _number_bytes(self, shape: Shape | None, *, on_gpu: bool) -> int:
        # As backbones are opened without --dtype: half precision on a GPU, float32 on most
        # processors. Where one is faster in bfloat16 this is twice what is needed, as long as
        # nothing has been measured.
        if shape is not None and shape.float32_only:
            return 4
        if self.spec.dtype is None:
            return 2 if on_gpu else 4
        return 4 if self.spec.dtype == "float32" else 2


def shape_of(spec: BackboneSpec) -> Shape | None:
    """The shape of a known backbone; None for a model folder and for one of another package."""
    from hiprobe.backbones.catalogue import find_entry, stored_shapes

    entry = find_entry(spec.known_as)
    return stored_shapes().get(spec.known_as) if entry is None else entry.shape


def _is_here(spec: BackboneSpec) -> bool:
    """Whether a backbone can be opened without fetching it.

    Raises:
        BackboneError: there is no such backbone.
    """
    from hiprobe.backbones.registry import list_backbones

    known = next((b for b in list_backbones() if b.name == spec.known_as), None)
    if known is not None:
        return known.on_disk
    from hiprobe.backbones.registry import backbone_folder

    backbone_folder(spec.known_as)  # raises for a name that is neither a backbone nor a folder
    return True


def _floor(shape: Shape, gpu: str | None, footage: Footage) -> ModelRate:
    from hiprobe.backbones.model_rate import REACHED, floor_rate, gpu_named
    from hiprobe.machine import product_flops

    if gpu is None:
        flops = product_flops()
        words = f"at best: this machine multiplies {flops / 1e12:.2f} TFLOP/s in float32"
    else:
        flops = REACHED * gpu_named(gpu).tflops * 1e12
        words = f"at best: {gpu.lower()} at {flops / 1e12:.0f} TFLOP/s in bfloat16"
    return floor_rate(shape, flops, words=words, frame_pixels=footage.frame_pixels)


def savings_of(found: RunPlan, cut: ExtractionSettings, *, spec: BackboneSpec) -> list[Saving]:
    """What would halve a plan."""
    from hiprobe.backbones.catalogue import stored_shapes
    from hiprobe.pipeline.planning import savings

    # Smaller backbones are among the proposals; the one of the plan itself would save nothing.
    others = [(name, s) for name, s in stored_shapes().items() if name != spec.known_as]
    return savings(found, cut, others)


def say_first_line(
    files: Sequence[Path], wish: Wish, *, stretches: Sequence[Stretch] | None = None
) -> None:
    """Print what is about to be read and how long it will take, as a run's first line.

    Nothing is measured for it, and of many files only some headers are read. If that is not enough
    for an estimate, nothing is printed: the run itself will say what is wrong.

    Args:
        stretches: the part of each file that is read; None for all of it.
    """
    from hiprobe.errors import HiProbeError

    try:
        found = wish.plan(files, stretches=stretches, measure=False, most_headers=FEW_HEADERS)
    except HiProbeError:
        return
    best = "" if found.rate.source == "measured" else "at best "
    say(
        f"about {found.footage.segment_count:,} segments, {hours_words(found.footage.seconds)} of "
        f"footage: {best}{format_left(found.seconds)} if none of it is cached"
        f" ({found.rate.words.removeprefix('at best: ')})"
    )
