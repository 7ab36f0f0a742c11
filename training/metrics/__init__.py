"""Metrics under Azure's names."""
