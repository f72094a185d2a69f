"""The error of a probe that is not fitted, which scikit-learn's tools know; loaded when raised."""

from __future__ import annotations

from sklearn.exceptions import NotFittedError

from hiprobe.errors import UsageError


class ProbeNotFittedError(UsageError, NotFittedError):  # type: ignore[misc]
    """A probe is asked for scores before `fit` or `load`."""
