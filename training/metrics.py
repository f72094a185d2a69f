"""Write the measured figures into the shipped `projector.json`, for the model card.

python training/metrics.py --results training/results
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hiprobe.backbones.lite.parts import CONFIG_FILE

LAYERS = {"DLSP layer": "dlsp", "last layer": "last"}
RIVALS = {"vision features alone": "vision", "motion statistics": "motion"}


def of_set(run: dict[str, Any]) -> dict[str, float]:
    """The figures of one set's newest run."""
    start = f"{run['set']} by {run['unit']}, ROC-AUC, "
    found = {f"{start}last position, {k}": run["trained last"][v] for k, v in LAYERS.items()}
    found |= {start + k: run[v] for k, v in RIVALS.items()}
    found[f"{start}random projector, DLSP layer"] = run["random last"]["dlsp"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    given = parser.parse_args()
    lines = (given.results / "log.jsonl").read_text(encoding="utf-8").splitlines()
    newest = {run["set"]: run for run in map(json.loads, lines)}
    captions = json.loads((given.results / "captions.json").read_text(encoding="utf-8"))
    card = json.loads(CONFIG_FILE.read_text(encoding="utf-8"))
    figures = {"training steps": card["training"]["steps"]}
    for run in newest.values():
        figures |= of_set(run)
    figures["true caption first of ten by likelihood (chance 0.1)"] = captions["by likelihood"]
    figures["the same, less the likelihood before a blank picture"] = captions["against blank"]
    card["metrics"] = figures
    CONFIG_FILE.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
