"""Engines: a batch of crops in, logits out. One file per runtime."""

from inference.engine.base import Engine

__all__ = ["Engine"]
