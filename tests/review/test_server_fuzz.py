"""A few hundred requests made up from the OpenAPI; `make fuzz-api` sends 20,000."""

from pathlib import Path

from fuzz_api import fuzz_api

CASES = 400


def test_no_made_up_request_breaks_the_server(tmp_path: Path) -> None:
    assert fuzz_api(tmp_path, cases=CASES) >= CASES // 2
