"""Few-shot video anomaly detection from the hidden states of frozen multimodal LLMs."""

__version__ = "0.1.0"
