"""One experiment a file: `run(bench) -> Findings`."""
