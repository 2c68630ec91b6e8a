"""The sample cohort: simulated raw FLAIR-like heads with skull, made from real anatomy, with and without lesions."""

from __future__ import annotations

from preprocessing.phantom.cohort import write_cohort

__all__ = ["write_cohort"]
