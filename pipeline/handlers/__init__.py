"""When, never how: ignite handlers of training, calibration and evaluation."""

from pipeline.handlers.calibrate import Calibrate
from pipeline.handlers.checkpoint import ResumableCheckpoint
from pipeline.handlers.constraint_schedule import ConstraintSchedule
from pipeline.handlers.criteria import HealthyObjective, LabelledPrecision, LabelledScanPrecision, PaintedPrecision
from pipeline.handlers.fit_first import FitFirst, FitLast
from pipeline.handlers.follow_maps import FollowMaps
from pipeline.handlers.follow_scores import FollowScores
from pipeline.handlers.held_out import HeldOutTerms
from pipeline.handlers.maps import MapWriter
from pipeline.handlers.oracle_distance import OracleDistance
from pipeline.handlers.reconstructions import Reconstructions
from pipeline.handlers.results import Results
from pipeline.handlers.score_histogram import ScoreHistogramHandler
from pipeline.handlers.tissue_maps import TissueMaps
from pipeline.handlers.training_log import TrainingLog

__all__ = [
    "Calibrate",
    "ConstraintSchedule",
    "FitFirst",
    "FitLast",
    "FollowMaps",
    "FollowScores",
    "HealthyObjective",
    "HeldOutTerms",
    "LabelledPrecision",
    "LabelledScanPrecision",
    "MapWriter",
    "OracleDistance",
    "PaintedPrecision",
    "Reconstructions",
    "Results",
    "ResumableCheckpoint",
    "ScoreHistogramHandler",
    "TissueMaps",
    "TrainingLog",
]
