"""Questions to a backbone without a probe, and its answers as states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hiprobe.backbones.interface import DETECT_PROMPT, Backbone, FirstToken, Speech, speech_of
from hiprobe.errors import BackboneError, StatesError, UsageError
from hiprobe.fingerprint import Fingerprint
from hiprobe.fitted_scorer import sigmoid
from hiprobe.segment import Frame, Segment
from hiprobe.states import Reading, States

Method = Literal["first-token", "ordinal", "decoded", "heads"]

METHODS: tuple[Method, ...] = get_args(Method)

# Tokenizers have one token for a word with a space before it, and others for other capitals.
YES = ("Yes", "yes", "YES", " Yes", " yes")
NO = ("No", "no", "NO", " No", " no")

ODD_QUESTION = "Is anything abnormal or dangerous happening in this video? Answer Yes or No."
# The first question turned round: some models say Yes to anything, and the difference of both
# answers does not hold that.
CALM_QUESTION = "Is everything in this video normal and safe? Answer Yes or No."

NUMBER_QUESTION = (
    "On a scale from 0 to 1, how abnormal or dangerous is what happens in this video? "
    "0 is normal, 1 is abnormal. Answer with one number only."
)
# Longest answer: a number, and a few words around it.
NUMBER_TOKENS = 16

# Ten steps of growing seriousness. One question has one point at which a model turns from No to
# Yes; the mean over ten steps ranks what lies above and below that point too.
LADDER = (
    "anything moving or changing",
    "anything that is unusual for this place",
    "anyone acting in a way that draws attention",
    "anything that a guard would want to look at",
    "anyone breaking a rule or a law",
    "anything that could soon hurt someone or break something",
    "a quarrel, a theft or an accident going on",
    "anyone being hurt, or property being destroyed",
    "a danger to several people",
    "an emergency that needs the police, the fire brigade or an ambulance now",
)


def ladder_question(step: str) -> str:
    """The yes-or-no question of one step."""
    return f"Is there {step} in this video? Answer Yes or No."


# Over these a head has to be stable; the first is the one that is then scored with.
HEAD_PROMPTS = (
    DETECT_PROMPT,
    "Is anything abnormal happening in this video?",
    "Describe what happens in this video.",
)


@dataclass(frozen=True)
class Questions:
    """What is asked; in the fingerprint, so that scores of other questions never mix."""

    odd: str = ODD_QUESTION
    calm: str = CALM_QUESTION
    number: str = NUMBER_QUESTION
    number_tokens: int = NUMBER_TOKENS
    ladder: tuple[str, ...] = tuple(map(ladder_question, LADDER))

    def __post_init__(self) -> None:
        asked = (self.odd, self.calm, self.number, *self.ladder)
        if not (all(asked) and self.ladder) or self.number_tokens < 1:
            raise UsageError("a question is empty, or its answer has no tokens; give text and 1")


QUESTIONS = Questions()


_NUMBER = (
    r"(?<![\w.,/-])(\d+(?:[.,]\d+)?|[.]\d+)"
    r"(?:\s*(%)|\s*(?:/|out of)\s*(1|10|100)(?![\d.]))?(?![\w/]|[.,]\d)"
)
_ANY = re.compile(_NUMBER)
_AFTER_NAME = re.compile(
    r"\b(?:score|rating|answer|value|level|probability|scale)\b[^\d.]{0,24}?(?<![\w/-])" + _NUMBER,
    re.IGNORECASE,
)
# The first point of a list is no score.
_LIST = re.compile(r"^\s*1[.)]\s+\S")
_ALONE = re.compile(r"^[\s\[(<\"'*`]*" + _NUMBER + r"\s*(?:$|[\])>\"'*`.,;:\n])", re.IGNORECASE)
_RANGE = re.compile(
    r"\b(?:from|between)?\s*0(?:\.0)?\s*(?:to|and|-|–|\.\.)\s*(?:1(?:\.0)?|10|100)\b(?!\s*%)",
    re.IGNORECASE,
)


def read_number(text: str) -> float | None:
    """The score that an answer gives, 0..1; None where it gives none.

    Understood are a number that stands alone or at the beginning, one after a word such as
    "score", and else the first with a decimal point, a percent sign, "/10" or "out of 10". Whole
    numbers within a sentence count people and frames, not scores. Numbers above 1 without a
    scale of their own are not guessed at.
    """
    # Models like to repeat the scale ("from 0 to 1"), whose ends are no score.
    without_range = _RANGE.sub(" ", text)
    first = () if _LIST.match(text) else (_ALONE,)
    for pattern in (*first, _AFTER_NAME):
        found = pattern.search(without_range)
        value = None if found is None else _value(found)
        if value is not None:
            return value
    for found in _ANY.finditer(without_range):
        value = _value(found)
        if value is not None and not found.group().strip().isdigit():
            return value
    return None


def _value(found: re.Match[str]) -> float | None:
    digits, percent, scale = found.groups()
    # No score has that many digits; float() would take them all the same.
    if len(digits) > 20:
        return None
    number = float(digits.replace(",", "."))
    number /= 100.0 if percent else float(scale or 1)
    return number if 0.0 <= number <= 1.0 else None


# Raised when a view gives other values, so that cached ones are not taken.
VERSION = 1

# Brightness of the blank clip.
GREY = 127

FIRST_TOKEN_COLUMNS = ("odd", "odd_mass", "calm", "calm_mass", "blank_odd", "blank_calm")
ORDINAL_COLUMNS = ("yes", "mass")
NUMBER_COLUMNS = ("number", "answered")

_Floats = NDArray[np.float64]
ViewStates = Mapping[Reading, NDArray[np.float32]]


@dataclass
class View:
    """A backbone whose "states" are answers: one layer, one reading, the backbone's own words.

    So extraction, cache and detection work on answers as they do on hidden states.
    """

    backbone: Backbone
    layer_count = 1

    @property
    def speech(self) -> Speech:
        """How the backbone is asked for words."""
        return speech_of(self.backbone)

    def describe(
        self,
        frames: Sequence[Frame],
        *,
        prompt: str,
        max_new_tokens: int = 64,
        speech: Speech | None = None,
        frame_seconds: Sequence[float] | None = None,
    ) -> str:
        """The backbone's own words."""
        return self.backbone.describe(
            frames,
            prompt=prompt,
            max_new_tokens=max_new_tokens,
            speech=speech,
            frame_seconds=frame_seconds,
        )

    def fingerprint_of(self, method: Method, prompt: str) -> Fingerprint:
        """The backbone's own, with method and question in it."""
        own = self.backbone.fingerprint
        # In the fingerprint, so that cached answers are never taken for hidden states.
        settings = {**own.settings, "zero_label": method, "zero_label_version": VERSION}
        return replace(own, prompt=prompt, settings=settings)


@dataclass
class FirstTokenView(View):
    """Log-odds of Yes against No of two questions, for the clip and for a blank one.

    Columns: `FIRST_TOKEN_COLUMNS`; a mass is the probability of Yes and No together.

    Raises:
        BackboneError: the backbone cannot give its first answer token.
    """

    questions: Questions = QUESTIONS
    _blank: dict[tuple[float, ...], tuple[float, float]] = field(default_factory=dict)

    width = len(FIRST_TOKEN_COLUMNS)

    def __post_init__(self) -> None:
        self._asked = self.backbone
        if not isinstance(self._asked, FirstToken):
            raise BackboneError(
                f"the backbone {self.backbone.fingerprint.model} cannot give its first answer "
                "token; choose another method"
            )

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the backbone with both questions."""
        asked = f"{self.questions.odd}\n{self.questions.calm}"
        return self.fingerprint_of("first-token", asked)

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """`FIRST_TOKEN_COLUMNS` of each segment, at each reading the same."""
        (odd, calm), (odd_mass, calm_mass) = self._odds(segments)
        blank = np.array([self._of_blank(s) for s in segments])
        columns = np.column_stack([odd, odd_mass, calm, calm_mass, blank])
        return dict.fromkeys(readings, columns[:, None].astype(np.float32))

    def _odds(self, segments: Sequence[Segment]) -> tuple[_Floats, _Floats]:
        return self.yes_against_no(segments, (self.questions.odd, self.questions.calm))

    def yes_against_no(
        self, segments: Sequence[Segment], prompts: Sequence[str]
    ) -> tuple[_Floats, _Floats]:
        """Log-odds of Yes against No, and the mass of both: `[questions, segments]` each."""
        if not isinstance(self._asked, FirstToken):  # refused when built
            raise BackboneError("the backbone cannot give its first answer token")
        logs = self._asked.first_token(segments, prompts=prompts, words=(YES, NO))
        return logs[..., 0] - logs[..., 1], np.exp(logs).sum(axis=-1)

    def _of_blank(self, segment: Segment) -> tuple[float, float]:
        """Log-odds of both questions for as many grey frames of the same size, at even times."""
        offsets, count = segment.frame_offsets_seconds, len(segment.frames)
        # rounded, and then shown so: what a segment gets must not depend on those before it
        first = round(offsets[0], 2)
        gap = round((offsets[-1] - offsets[0]) / max(1, count - 1), 3)
        shape = (*segment.frames[0].shape, count, first, gap)
        if shape not in self._blank:
            grey = np.full(segment.frames[0].shape, GREY, np.uint8)
            blank = replace(
                segment,
                start_seconds=0.0,
                end_seconds=segment.duration_seconds,
                frames=(grey,) * count,
                frame_seconds=tuple(first + i * gap for i in range(count)),
            )
            odd, calm = self._odds([blank])[0][:, 0]
            self._blank[shape] = (float(odd), float(calm))
        return self._blank[shape]


class OrdinalView(FirstTokenView):
    """Mean of P(yes) over graded questions, asked in one look at the pictures.

    Columns: `ORDINAL_COLUMNS`, the mean over the questions of P(yes) / (P(yes) + P(no)), and that
    of the probability of Yes and No together. After COVAS-VAD (arXiv 2609.17211), which takes the
    mean of next-token odds over questions of growing seriousness; the wording is ours.

    Raises:
        BackboneError: the backbone cannot give its first answer token.
    """

    width = len(ORDINAL_COLUMNS)

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the backbone with all questions."""
        return self.fingerprint_of("ordinal", "\n".join(self.questions.ladder))

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """`ORDINAL_COLUMNS` of each segment, at each reading the same."""
        odds, mass = self.yes_against_no(segments, self.questions.ladder)
        columns = np.column_stack([sigmoid(odds).mean(axis=0), mass.mean(axis=0)])
        return dict.fromkeys(readings, columns[:, None].astype(np.float32))


@dataclass
class NumberView(View):
    """The number 0..1 that the backbone answers, and whether it answered with one."""

    questions: Questions = QUESTIONS

    width = len(NUMBER_COLUMNS)

    @property
    def fingerprint(self) -> Fingerprint:
        """Fingerprint of the backbone with the question and the length of its answer."""
        found = self.fingerprint_of("decoded", self.questions.number)
        return replace(
            found, settings={**found.settings, "max_new_tokens": self.questions.number_tokens}
        )

    def states(
        self,
        segments: Sequence[Segment],
        *,
        layers: Sequence[int],
        readings: Sequence[Reading] = ("last",),
    ) -> ViewStates:
        """`NUMBER_COLUMNS` of each segment, at each reading the same."""
        rows = []
        for segment in segments:
            number = read_number(self._answer(segment))
            rows.append((0.0, 0.0) if number is None else (number, 1.0))
        return dict.fromkeys(readings, np.array(rows, dtype=np.float32)[:, None])

    def _answer(self, segment: Segment) -> str:
        # digits repeat by their nature, so nothing keeps the model from repeating itself
        return self.backbone.describe(
            segment.frames,
            prompt=self.questions.number,
            max_new_tokens=self.questions.number_tokens,
            speech=Speech(),
            frame_seconds=segment.frame_offsets_seconds,
        )


@dataclass(frozen=True)
class Answered:
    """Scores of segments or clips.

    Attributes:
        scores: float64 `[n]` in 0..1; NaN where there is no answer, or the segment failed.
        unanswered: bool `[n]`, an answer came but no number could be read from it.
        mass: float64 `[n]`, probability of Yes and No together, mean of the questions: how much
            of the model's answer the score rests on; None for other methods.
    """

    scores: _Floats
    unanswered: NDArray[np.bool_]
    mass: _Floats | None = None

    @property
    def neutral(self) -> _Floats:
        """Scores for ranking, 0.5 where no number could be read: no opinion either way."""
        return np.where(self.unanswered, 0.5, self.scores)


def answered(states: States, *, method: Method) -> Answered:
    """Scores of a view's states.

    Raises:
        StatesError: the states are not those of the method's view.
    """
    columns = {
        "first-token": FIRST_TOKEN_COLUMNS,
        "ordinal": ORDINAL_COLUMNS,
        "decoded": NUMBER_COLUMNS,
    }.get(method)
    if columns is None or states.width != len(columns):
        raise StatesError(f"states of width {states.width} are not answers of method {method!r}")
    values = states.values[:, 0].astype(np.float64)
    nobody = np.zeros(len(values), np.bool_)
    if method == "first-token":
        scores, mass = first_token_scores(values)
        return Answered(np.where(states.failed, np.nan, scores), nobody, mass)
    if method == "ordinal":
        return Answered(np.where(states.failed, np.nan, values[:, 0]), nobody, values[:, 1])
    silent = (values[:, 1] == 0.0) & ~states.failed
    missing = silent | states.failed
    return Answered(np.where(missing, np.nan, values[:, 0]), silent)


def first_token_scores(values: _Floats) -> tuple[_Floats, _Floats]:
    """Calibrated P(yes) and the mass it rests on, from `[n, FIRST_TOKEN_COLUMNS]`.

    The log-odds of a blank clip are taken off those of each question (contextual calibration);
    the score is the sigmoid of the mean of the first question's and the second's turned round.
    For one video size the blank shifts all scores alike: it moves where 0.5 lies, not the ranking.
    """
    odd, odd_mass, calm, calm_mass, blank_odd, blank_calm = values.T
    scores = sigmoid(((odd - blank_odd) - (calm - blank_calm)) / 2.0)
    return scores, (odd_mass + calm_mass) / 2.0
