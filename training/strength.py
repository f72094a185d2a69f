"""Make a run with a weaker low-rank update of the LLM.

    python training/strength.py --run training/runs/split --strength 0.65 --out runs/split65

A frozen model and its fine-tuned form agree best with unseen data somewhere between the two
(Wortsman et al., CVPR 2022). The update is multiplied by `strength`; 0 would be the LLM as it was
published. `--ship` copies the result into the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from safetensors.torch import load_file

from hiprobe.backbones.lite.parts import CONFIG_FILE, WEIGHTS_FILE
from run_folder import ship, write_run
from words import trained_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a training run")
    parser.add_argument("--strength", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ship", action="store_true", help="copy the result into the package")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    weights, card = (given.run / file.name for file in (WEIGHTS_FILE, CONFIG_FILE))
    tensors = {k: v * given.strength if _is_update(k) else v for k, v in load_file(weights).items()}
    facts = json.loads(card.read_text(encoding="utf-8"))["training"]
    config = trained_of(given.run).projector.config
    write_run(given.out, tensors, config=config, facts=facts | {"strength": given.strength})
    if given.ship:
        ship(given.out)


def _is_update(name: str) -> bool:
    """Whether a tensor is the second factor of a low-rank update, which scales the product."""
    return name.startswith("adapter.") and name.endswith(".b")


if __name__ == "__main__":
    sys.exit(main())
