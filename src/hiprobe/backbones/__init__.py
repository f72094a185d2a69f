"""Frozen multimodal LLMs behind one interface."""
