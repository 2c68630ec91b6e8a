"""Where a method is good and where it is not: by lesion, on tissue without a lesion, on images that have changed."""

from pipeline.examine.false_volume import false_volumes
from pipeline.examine.lesions import by_lesion
from pipeline.examine.shifts import under_shift

__all__ = ["by_lesion", "false_volumes", "under_shift"]
