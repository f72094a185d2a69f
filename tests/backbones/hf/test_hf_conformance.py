"""The conformance suite of all backbones, over every family built small with random weights."""

from __future__ import annotations

from test_conformance import *  # noqa: F403
