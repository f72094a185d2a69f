"""Scenes as a surveillance camera would see them, rendered for the demonstration."""
