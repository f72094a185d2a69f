"""Write the tables of docs/paper-notes.md from finished experiments.

    python scripts/write_notes.py RESULTS... [--page docs/paper-notes.md] [--scores FILE]

RESULTS are folders that `hiprobe reproduce --out` left. The text of the page is written by hand;
only what stands between its table markers is replaced. `--scores` takes any method's scores of
UCF-Crime's test set, as `hiprobe evaluate` reads them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiprobe.reproduce.paper_notes import fill, results_in
from hiprobe.store.atomic import atomic_path

TAIL_FRAMES = 16
"""Most frames at the end of a video that may have no score of their own."""

PAGE = Path(__file__).resolve().parent.parent / "docs" / "paper-notes.md"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="*", help="folders of --out")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--scores", type=Path, help="scores of UCF-Crime's test set")
    given = parser.parse_args()
    found = results_in(given.results)
    scores = None if given.scores is None else _scores(given.scores)
    text = fill(given.page.read_text(encoding="utf-8"), found, scores=scores)
    with atomic_path(given.page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {given.page} from {', '.join(r.name for r in found) or 'no results'}")


def _scores(path: Path) -> dict[str, NDArray[np.float64]]:
    from hiprobe.datasets.ground_truth import load_truth
    from hiprobe.datasets.score_files import read_scores

    return read_scores(path, truth=load_truth("ucf-crime"), tail_frames=TAIL_FRAMES)


if __name__ == "__main__":
    main()
