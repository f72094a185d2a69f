"""The fitted probe: fit, score, detect, save, load."""

from hiprobe.probe.fit_results import LayerTable, ThresholdSummary, ViewRow
from hiprobe.probe.probe import Probe
from hiprobe.probe.training_set import Mode

__all__ = ["LayerTable", "Mode", "Probe", "ThresholdSummary", "ViewRow"]
