"""Ground truth, metrics and experiments."""
