"""Baselines on the same backbone, which the probe is compared with.

- "first-token": how likely the answer begins with Yes, over two questions, against a blank clip;
- "ordinal": the same over ten questions of growing seriousness, their mean;
- "decoded": the number from 0 to 1 that the model says (as LAVAD and VERA do);
- "heads": the attention heads that are most salient and most stable over prompts, and the probe's
  own scorer on them (as HeadHunt-VAD does). Heads are chosen on labelled clips.

The first three use no label at all.
"""
