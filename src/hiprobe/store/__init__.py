"""Files of ours: atomic writes, cached states."""
