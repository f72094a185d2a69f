"""Orders of calls on every family built small with random weights."""

from __future__ import annotations

from test_call_orders import *  # noqa: F403
