"""Baselines on the same backbone, beside which the probe's gain is shown.

- "first-token": how likely the answer begins with Yes, over two questions, against a blank clip;
- "decoded": the number from 0 to 1 that the model says (as LAVAD and VERA do);
- "heads": the attention heads that are most salient and most stable over prompts, and the probe's
  own scorer on them (as HeadHunt-VAD does). Heads are chosen on labelled clips.

The first two use no label at all.
"""

from hiprobe.zero_label.answers import Answered, answered
from hiprobe.zero_label.choosing import fit_heads_on, head_states_of
from hiprobe.zero_label.detect import ZeroLabelResult, view_of, zero_label_video
from hiprobe.zero_label.heads import FittedHeads, Head, fit_heads
from hiprobe.zero_label.heads_probe import fit_heads_probe
from hiprobe.zero_label.number import read_number
from hiprobe.zero_label.questions import METHODS, Method, Questions

__all__ = [
    "METHODS",
    "Answered",
    "FittedHeads",
    "Head",
    "Method",
    "Questions",
    "ZeroLabelResult",
    "answered",
    "fit_heads",
    "fit_heads_on",
    "fit_heads_probe",
    "head_states_of",
    "read_number",
    "view_of",
    "zero_label_video",
]
