"""The fitted probe: fit, score, detect, save, load."""
