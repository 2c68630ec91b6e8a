"""When, never how: ignite handlers of training, calibration and evaluation."""

from pipeline.handlers.checkpoint import ResumableCheckpoint
from pipeline.handlers.training_log import TrainingLog

__all__ = ["ResumableCheckpoint", "TrainingLog"]
