"""Everything from the photographs to the weights of the lite backbone, in one command.

    python training/run.py --photographs FLICKR8K --model MODEL_FOLDER --out training/runs

`MODEL_FOLDER` is what `hiprobe backbones get lite` leaves. Features and training go on where they
stopped, `first.py` begins anew; what is done is passed over. `--ship` copies the result into the
package. The scenes that designs are compared on are made too; they are not trained on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FEATURES = (
    # folder, what, number of the first, how many
    ("stills", "stills", 0, 7250),
    ("clips", "clips", 0, 1050),
    ("scenes", "scenes", 0, 2950),
    ("scenes", "scenes", 6000, 1550),
    ("scenes_held", "scenes", 900_000, 250),
)
FIRST = ("--steps", "1000")
TRAIN = ("--steps", "440", "--stills-share", "0.25")


def commands(given: argparse.Namespace) -> list[list[str]]:
    """Script and arguments of each step, in order."""
    out, model = given.out, ["--model", str(given.model)]
    material = ["--clips", str(out / "scenes"), str(out / "clips"), "--stills", str(out / "stills")]
    found = []
    for folder, what, first, count in FEATURES:
        place = ["--out", str(out / folder), "--first", str(first), "--clips", str(count)]
        given_photographs = ["--photographs", str(given.photographs)]
        found.append(["features.py", what, *given_photographs, *model, *place])
    start = out / "first"
    if not (start / "projector.safetensors").exists():
        found.append(["first.py", *material, *model, "--out", str(start), *FIRST])
    last = ["train.py", *material, *model, "--out", str(out / "lite"), "--start", str(start)]
    return [*found, [*last, *TRAIN, *(["--ship"] if given.ship else [])]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True, help="folder of Flickr8k")
    parser.add_argument("--model", type=Path, required=True, help="assembled lite model folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ship", action="store_true", help="copy the result into the package")
    given = parser.parse_args()
    for script, *rest in commands(given):
        print(f"== {script} {' '.join(rest)}", flush=True)
        code = subprocess.run([sys.executable, str(HERE / script), *rest], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
