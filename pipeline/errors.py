"""The one error that a user of the pipeline can cause."""

from __future__ import annotations


class PipelineError(ValueError):
    """A user's mistake: the message gives the rule, the value found and the choices, in one line."""
