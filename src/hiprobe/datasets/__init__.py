"""Labelled clips and ground truth."""
