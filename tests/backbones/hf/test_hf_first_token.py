"""First answer tokens and heads of every family built small with random weights."""

from __future__ import annotations

from test_first_token_and_heads import *  # noqa: F403
