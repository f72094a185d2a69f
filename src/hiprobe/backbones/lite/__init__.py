"""The lite backbone: real pretrained parts from the package index and a small trained projector."""
