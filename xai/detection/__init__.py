"""Explanations of what detectors find, one per object."""
