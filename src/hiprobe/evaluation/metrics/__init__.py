"""Metrics: numpy in, numbers out."""

from hiprobe.evaluation.metrics.bootstrap import (
    HEADLINES,
    Interval,
    PairedDifference,
    interval,
    metric_draws,
    paired_test,
    video_weights,
)
from hiprobe.evaluation.metrics.calibration import Calibration, calibration
from hiprobe.evaluation.metrics.events import (
    AlarmRate,
    EventScores,
    false_alarms_per_hour,
    match_events,
    runs,
)
from hiprobe.evaluation.metrics.ranking import (
    LegacyMetricWarning,
    Ranking,
    average_precision,
    legacy_trapezoid_pr_area,
    roc_auc,
)
from hiprobe.evaluation.metrics.variants import binary, gated
from hiprobe.evaluation.metrics.videos import (
    ClassRow,
    class_table,
    mean_and_median,
    video_level,
    within_video_auc,
)

__all__ = [
    "HEADLINES",
    "AlarmRate",
    "Calibration",
    "ClassRow",
    "EventScores",
    "Interval",
    "LegacyMetricWarning",
    "PairedDifference",
    "Ranking",
    "average_precision",
    "binary",
    "calibration",
    "class_table",
    "false_alarms_per_hour",
    "gated",
    "interval",
    "legacy_trapezoid_pr_area",
    "match_events",
    "mean_and_median",
    "metric_draws",
    "paired_test",
    "roc_auc",
    "runs",
    "video_level",
    "video_weights",
    "within_video_auc",
]
