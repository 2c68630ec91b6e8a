"""The one error that a user of preprocessing can cause."""

from __future__ import annotations


class PreprocessingError(ValueError):
    """A user's mistake or a scan that cannot be used: one line with the file, the rule and the value."""
