"""Video in and out; the only place that imports av."""
