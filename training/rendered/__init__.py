"""Rendered scenes to train on, beside the kinds that the package keeps for its demonstration."""
