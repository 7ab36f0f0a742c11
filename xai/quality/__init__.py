"""Measures of how far an explanation can be trusted: pure functions, and the loop over images."""
