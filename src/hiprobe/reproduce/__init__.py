"""The paper's tables and figures, and the questions around them, each by one command.

An experiment is a function `run(bench: Bench) -> Findings` in `experiments/NAME.py`, listed once
in `registry.py`. It takes states from `bench.extraction` (one pass over the videos, shared by all
experiments and cached), keeps what is finished through `bench.finished`, and returns rows and
figures. `run.py` runs it, `writer.py` writes it, `page.py` joins results to one page.
"""
