"""The paper's tables and figures, and the questions around them, each by one command.

`request.py` lists the experiments and says how to add one; `run_experiments.py` runs them,
`result_pages.py` writes what they found.
"""
