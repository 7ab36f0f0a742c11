"""Measurements of our own parts, side by side with what they are compared to."""
