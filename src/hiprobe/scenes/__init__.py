"""Rendered surveillance scenes for a demo without any footage."""
