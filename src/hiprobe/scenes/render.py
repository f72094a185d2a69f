"""From a kind of scene and a seed to frames."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hiprobe.errors import UsageError
from hiprobe.scenes.backdrop import Place, paint
from hiprobe.scenes.figures import Camera, Points, place_camera
from hiprobe.scenes.lens import Lens, choose_lens, expose, light, move
from hiprobe.scenes.story import Picture, SceneKind, Setting, Story
from hiprobe.segment import Frame


@dataclass(frozen=True)
class Scene:
    """One scene before its frames are drawn: all that is the same in each of them.

    Attributes:
        event: start and end of the abnormal part in seconds.
        place: where it plays.
        u: the share of the picture's width at which it plays.
        sun: metres of x and z that a shadow is long for a metre of height.
        shade: how dark shadows are, 0 to 1.
        rng: the generator it was drawn from, for what else is to be drawn.
    """

    kind: SceneKind
    seed: int
    frame_count: int
    fps: float
    event: tuple[float, float]
    place: Place
    u: float
    camera: Camera
    backdrop: Frame
    story: Story
    lens: Lens
    sun: Points
    shade: float
    rng: np.random.Generator

    @property
    def span_frames(self) -> tuple[int, int] | None:
        """The abnormal part as a half-open span of frames; None for a normal kind."""
        if not self.kind.label:
            return None
        first, end = (round(seconds * self.fps) for seconds in self.event)
        first = min(self.frame_count - 1, max(0, first))
        return first, max(first + 1, min(self.frame_count, end))

    def frames(self) -> Iterator[Frame]:
        """All frames in order, uint8 RGB `[height, width, 3]`."""
        return map(self.frame, range(self.frame_count))

    def frame(self, index: int) -> Frame:
        """One frame, the same whichever others are drawn.

        Raises:
            UsageError: the scene has no such frame.
        """
        if not 0 <= index < self.frame_count:
            raise UsageError(f"frame {index} is not in [0, {self.frame_count})")
        t = index / self.fps
        # Each frame has a generator of its own, so that it does not depend on those before it.
        rng = np.random.default_rng([self.seed, index, 7])
        story, camera, lens = self.story, self.camera, self.lens
        image = light(lens, self._drawn(t), story.light(t) if story.light else 1.0)
        if story.fires or (lens.night and story.lamps):
            layer = self._shine(t)
            image = np.asarray(cv2.add(image, layer))
        if story.flash:
            image = np.asarray(cv2.convertScaleAbs(image, alpha=1.0, beta=220 * story.flash(t)))
        shake = lens.jitter + (story.shake(t) if story.shake else 0.0)
        pan = story.pan(t) * camera.width if story.pan else 0.0
        # drawn even where nothing shakes, so that shaking changes no other draw of the frame
        by = rng.normal(0, 1, 3) * shake
        image = move(image, pan + by[0] * camera.width, by[1] * camera.height, 0.5 * by[2])
        return expose(lens, image, rng, t)

    def _drawn(self, t: float) -> Picture:
        """The backdrop with shadows, actors and paintings, in the light of noon."""
        story, camera = self.story, self.camera
        shadows, drawings = np.zeros_like(self.backdrop), list[tuple[float, Callable[..., None]]]()
        for actor in story.actors:
            entered = actor.enter(shadows, camera, self.sun, t)
            if entered is not None:
                drawings.append(entered)
        # edges of shadows are soft in any light but a spotlight's
        soft = cv2.blur(shadows, (3, 3))
        dark = cv2.addWeighted(soft, -self.shade, soft, 0, 255)
        image: Picture = np.asarray(cv2.multiply(self.backdrop, dark, scale=1 / 255), np.uint8)
        for paint_behind in story.behind:
            paint_behind(image, camera, t)
        # the farthest first, so that who stands nearer hides who is behind
        for _, draw in sorted(drawings, key=lambda pair: -pair[0]):
            draw(image)
        for paint_over in story.over:
            paint_over(image, camera, t)
        return image

    def _shine(self, t: float) -> Picture:
        layer = np.zeros_like(self.backdrop)
        for burn in self.story.fires:
            burn(layer, self.camera, t)
        if self.lens.night:
            for lamp in self.story.lamps:
                lamp(layer, self.camera, t)
            cv2.GaussianBlur(layer, (7, 7), 0, dst=layer)
        if self.lens.grey:
            # An infrared camera sees fire and lamps as white.
            layer[:] = layer.max(axis=2, keepdims=True)
        return layer


def set_scene(
    kind: SceneKind,
    *,
    seed: int,
    frame_count: int,
    size: tuple[int, int],
    fps: float,
    moments: Sequence[float] | None = None,
) -> Scene:
    """Everything of a scene but its frames; the seed decides it all.

    Args:
        size: width and height in pixels.
        moments: `(start,)` or `(start, end)` of the abnormal part in seconds; drawn where None.

    Raises:
        UsageError: a seed that is not for this kind, or sizes or moments out of range.
    """
    if seed not in kind.seeds:
        raise UsageError(
            f"seed {seed} is not for the kind {kind.name!r}; take one in "
            f"[{kind.seeds.start}, {kind.seeds.stop})"
        )
    if frame_count < 1 or min(size) < 16 or not fps > 0:
        raise UsageError(
            f"cannot render {frame_count} frames of {size} at {fps} frames a second; "
            "take at least 1 frame, 16 pixels and a positive rate"
        )
    # The order of the draws below is part of what a seed means: a new one goes to the end.
    rng = np.random.default_rng([seed, zlib.crc32(kind.name.encode())])
    seconds = frame_count / fps
    event = _event(rng, kind, seconds, moments)
    night = bool(rng.random() < 0.28)
    camera = place_camera(rng, *size, wide=kind.wide)
    places = kind.places
    place = places[rng.choice(len(places))] if len(places) > 1 else places[0]
    u, v = float(rng.uniform(0.18, 0.82)), float(rng.uniform(0.66, 0.86))
    story = kind.build(Setting(rng, camera, seconds, *event, *camera.ground(u, v)))
    return Scene(
        kind=kind,
        seed=seed,
        frame_count=frame_count,
        fps=fps,
        event=event,
        place=place,
        u=u,
        camera=camera,
        backdrop=paint(rng, camera, place),
        story=story,
        sun=rng.uniform(-0.9, 0.9, 2) * (0.3 if night else 1.0),
        lens=choose_lens(rng, camera, night=night),
        shade=float(rng.uniform(0.1, 0.5)),
        rng=rng,
    )


def _event(
    rng: np.random.Generator, kind: SceneKind, seconds: float, moments: Sequence[float] | None
) -> tuple[float, float]:
    begin = float(rng.uniform(0.12, 0.45)) * seconds
    if kind.begun and rng.random() < kind.begun:
        begin = 0.0
    if moments is None:
        return begin, seconds
    if len(moments) not in (1, 2) or not 0 <= moments[0] < seconds:
        raise UsageError(f"moments {list(moments)} must be (start,) or (start, end) in the scene")
    end = moments[1] if len(moments) == 2 else seconds
    if not end > moments[0]:
        raise UsageError(f"moments {list(moments)} end before they start")
    return float(moments[0]), float(end)
