"""Labelled images: reading, checking, converting, augmenting."""
